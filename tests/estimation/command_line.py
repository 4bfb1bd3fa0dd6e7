"""Run the command line in a test: its output as text or JSON, or its error message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.commands import main
from tests.seeds import training_seed

__all__ = ["TINY", "Captured", "error_of", "json_of", "output_of", "write_table"]

Captured = pytest.CaptureFixture[str]

_SETTINGS = (
    "width=16",
    "transition_width=8",
    "depth=1",
    "batch_size=128",
    "unmixing=false",
    "flow_blocks=1",
    "validate_every=20",
    f"seed={training_seed()}",
)
TINY = ["--steps", "60", "--max-edges-actions", "3"]
TINY += [argument for setting in _SETTINGS for argument in ("--set", setting)]


def output_of(capsys: Captured, *arguments: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert err == "" or code == 2
    return out


def json_of(capsys: Captured, *arguments: object, code: int = 0) -> Any:
    return json.loads(output_of(capsys, *arguments, "--json", code=code))


def error_of(capsys: Captured, *arguments: object) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    return err


def write_table(path: str, drugs: tuple[str, ...] = ("none", "A", "B"), rows: int = 300) -> None:
    """Write a table with two actions, one of them categorical, and without ground truth."""
    generator = np.random.default_rng(training_seed())
    lines = ["gene1,gene2,gene3,dose,drug"]
    for k in range(rows):
        values = [f"{value:.4f}" for value in generator.normal(size=4)]
        lines.append(",".join([*values, drugs[k % len(drugs)]]))
    Path(path).write_text("\n".join(lines) + "\n")
