"""What `identify.influence.worker` says to the process that started it: one line of JSON each.

A message has a ``kind``: ``"ready"``, ``"graph"``, ``"answer"``, ``"end"`` or ``"error"``. Certificates go as text: to
read an expression of sympy is to build it anew, which may take as long as it took before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from identify.exceptions import (
    FileAccessError,
    FormatError,
    GraphError,
    IdentifyError,
    MechanismError,
    RequestError,
    UndecidedError,
    UnknownNameError,
)
from identify.graph import CausalGraph
from identify.influence.report import Influence

__all__ = ["Message", "answer_in", "answer_told", "error_in", "error_told", "graph_in", "graph_told"]

Message = dict[str, Any]

_ERRORS = (
    FileAccessError,
    FormatError,
    GraphError,
    MechanismError,
    RequestError,
    UndecidedError,
    UnknownNameError,
)


def graph_told(graph: CausalGraph, past: bool) -> Message:
    """A graph, and whether its mechanisms have a past."""
    return {
        "kind": "graph",
        "latents": graph.latents,
        "actions": graph.actions,
        "Gz": _pairs(graph.Gz),
        "Ga": _pairs(graph.Ga),
        "past": past,
    }


def graph_in(message: Message) -> tuple[CausalGraph, bool]:
    """What `graph_told` tells."""
    n, m = len(message["latents"]), len(message["actions"])
    graph = CausalGraph(
        Gz=_matrix(message["Gz"], (n, n)),
        Ga=_matrix(message["Ga"], (n, m)),
        latents=message["latents"],
        actions=message["actions"],
    )
    return graph, message["past"]


def answer_told(found: Influence) -> Message:
    """The answer for one cause."""
    written = None if found.certificate is None else str(found.certificate)
    return {
        "kind": "answer",
        "cause": found.cause,
        "status": found.status,
        "reason": found.reason,
        "repairs": found.repairs,
        "written": written,
    }


def answer_in(message: Message) -> Influence:
    """What `answer_told` tells, with the certificate as text."""
    return Influence(
        message["cause"],
        message["status"],
        None,
        message["reason"],
        tuple(message["repairs"]),
        message["written"],
    )


def error_told(error: IdentifyError) -> Message:
    """An error, by its class and its text."""
    return {"kind": "error", "class": type(error).__name__, "text": str(error)}


def error_in(message: Message) -> IdentifyError:
    """What `error_told` tells; of a class that no other module knows, its base."""
    known = {each.__name__: each for each in _ERRORS}
    return known.get(message["class"], IdentifyError)(message["text"])


def _pairs(matrix: scipy.sparse.csr_array) -> list[list[int]]:
    return np.argwhere(matrix.toarray()).tolist()


def _matrix(pairs: list[list[int]], shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    result = np.zeros(shape, dtype=bool)
    for row, column in pairs:
        result[row, column] = True
    return result
