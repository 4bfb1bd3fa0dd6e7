"""Run the command line in a test: its output as text or JSON, or its error message."""

from __future__ import annotations

import json

import pytest

from estimation.commands import main

__all__ = ["Captured", "error_of", "json_of", "output_of"]

Captured = pytest.CaptureFixture[str]


def output_of(capsys: Captured, *words: str, code: int = 0) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    assert err == "" or code == 2
    return out


def json_of(capsys: Captured, *words: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    return json.loads(output_of(capsys, *words, "--json", code=code))  # type: ignore[no-any-return]


def error_of(capsys: Captured, *words: str) -> str:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("mechsparse: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    return err
