"""TOML: agreement with Python's parser within the limits, and refusal beyond them before it costs time or memory."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identify.exceptions import FileAccessError, FormatError
from identify.toml_files import MAX_DEPTH, parse_toml, read_toml

SCALARS = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans()


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    assert isinstance(value, list)
    return f"[{', '.join(map(toml_value, value))}]"


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True), SCALARS | st.lists(SCALARS)))
def test_within_the_limits_parsing_agrees_with_python(content: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {toml_value(value)}  # [[[[" for key, value in content.items())
    assert parse_toml(text) == tomllib.loads(text) == content


@pytest.mark.parametrize(
    "text",
    [
        "x = 'a [[[[ b'",
        'x = "[" # ]',
        'x = """' + "[" * 100 + '"""',
        "x = '''" + "[" * 100 + "'''",
        'x = """a "quoted" \\\\"""',
        'x = """a ""quoted \\""" ' + "{" * 100 + '""""',
        "# " + "[" * 100,
        "# " + ".a" * 100,
        "x = [" + "0.5, " * 500 + "]",
        "a." * (MAX_DEPTH - 1) + "b = 1",
        "x = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    ],
)
def test_brackets_and_dots_in_strings_and_comments_are_ignored(text: str) -> None:
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 100_000, "nests brackets 100000 deep; the limit is 64"),
        ("x = " + "{a = " * 100_000, "nests brackets 100000 deep; the limit is 64"),
        # Python's parser takes time quadratic in the length
        ("\na" + ".a" * 200_000 + " = 1", r"has a key of more than 64 parts \(at line 2\)"),
        ("[" + "a . " * 200 + "b]", r"has a key of more than 64 parts \(at line 1\)"),
        ("x = " + "9" * 5000, "has an integer of thousands of digits; TOML has 64 bits for it"),
        ("x = [{y = 0x" + "f" * 5000 + "}]", "has an integer of 20001 bits; TOML has 64 for it"),
        ("x = 9223372036854775808", "has an integer of 65 bits; TOML has 64 for it"),
    ],
)
def test_content_beyond_the_limits_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_toml(text)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(mark + 'x = "\N{GREEK SMALL LETTER MU}"\n'.encode())
    assert read_toml(tmp_path / "a.toml") == {"x": "\N{GREEK SMALL LETTER MU}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = ", r"a\.toml: is not valid TOML \(Invalid value"),
        (b"x = '\xff'", r"a\.toml: is not valid TOML \('utf-8' codec can't decode"),
        ("x = 1".encode("utf-16"), r"a\.toml: is not valid TOML"),
        (b"x = " + b"[" * 1000, r"a\.toml: nests brackets 1000 deep"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_toml(tmp_path / "a.toml")


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"#" * 101)
    with pytest.raises(FileAccessError, match="larger than 100 bytes"):
        read_toml(tmp_path / "a.toml", limit=100)
