"""Messages contain no control characters and are short enough to read."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identify.exceptions import MAX_MESSAGE_LENGTH, FileAccessError, FormatError, one_line
from identify.names import quoted, shown

HOSTILE = [
    "\x1b[31mred",
    "a\0b",
    "\u202egnp.exe",
    "tab\tline\nreturn\r",
    "\ud800",
    "\x9b2J",
    "x" * 10**6,
    "\x07" * 500,
]


@pytest.mark.parametrize("kind", [FormatError, FileAccessError])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:16])
def test_errors_contain_no_control_characters(kind: type[Exception], text: str) -> None:
    error = kind(f"g.csv: line 2: {text}")
    assert str(error).isprintable()
    assert str(error).startswith("g.csv: line 2: ")
    assert len(str(error)) <= MAX_MESSAGE_LENGTH
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", [FormatError, FileAccessError])
def test_errors_survive_the_pickling_of_distributed(kind: type[Exception]) -> None:
    support = pytest.importorskip("tblib.pickling_support")
    # what it installs for the classes that exist when distributed is imported, here without the global effect
    rebuild, arguments, *_ = support.pickle_exception(kind("g.csv: line 2: wrong"))
    again = rebuild(*arguments)
    assert type(again) is kind
    assert str(again) == "g.csv: line 2: wrong"


def test_a_long_message_keeps_both_ends() -> None:
    text = str(FormatError(f"g.csv: line 3: is '{'x' * 5000}'; entries must be 0 or 1"))
    assert text.startswith("g.csv: line 3: is 'xxx")
    assert text.endswith("xxx'; entries must be 0 or 1")
    assert " [...] " in text


@given(st.text(), st.integers(20, 80))
def test_one_line_is_printable_short_and_keeps_good_text(text: str, max_length: int) -> None:
    line = one_line(text, max_length)
    assert line.isprintable()
    assert len(line) <= max_length
    assert one_line(line, max_length) == line
    if text.isprintable() and len(text) <= max_length:
        assert line == text


@pytest.mark.parametrize(
    "value",
    [
        *HOSTILE,
        10**5000,
        [10**5000],
        {"a": ["x" * 10**6] * 10**4},
        [[[[[[[[0]]]]]]]],
        None,
        1.5,
        b"\x1b",
        {1, 2},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_abbreviated(value: Any) -> None:
    for text in (shown(value), quoted(value), quoted(value, 30)):
        assert text.isprintable()
        assert 0 < len(text) <= 60
