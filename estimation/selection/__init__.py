"""How sparse should the graph be, when nobody knows the true one? From runs with several settings and seeds."""

from __future__ import annotations

from estimation.selection.agreement import Agreement, partial_udr, udr
from estimation.selection.choosing import Selection, select
from estimation.selection.measuring import measured
from estimation.selection.rules import RULES
from estimation.selection.runs import Run, SettingSummary

__all__ = [
    "RULES",
    "Agreement",
    "Run",
    "Selection",
    "SettingSummary",
    "measured",
    "partial_udr",
    "select",
    "udr",
]
