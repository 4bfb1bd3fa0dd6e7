"""Standard streams that are narrow, closed, full or unread: no traceback, complete work, the right exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from estimation.commands import main
from identify.catalog import load
from identify.commands.check import _file_names
from identify.commands.streams import Output, is_broken_pipe, standard_streams
from identify.criterion import check
from identify.formats import read_graph, write_graph
from identify.terminal import encodable, json_encodable, printable

GRAPH = "parent,child,kind\nspeed,place,latent\nplace,speed,latent\npush,place,action\n"
GREEK = "parent,child\nβ,β\nβ,x\nx,β\nx,x\n"
CLOSED = "mechsparse: standard output is closed: the output is lost\n"
COMMAND = [sys.executable, "-c", "import sys; from estimation.commands import main; sys.exit(main())"]
COMMANDS = [
    ["check", "greek.csv"],
    ["check", "graph.csv", "greek.csv"],
    ["check", "greek.csv", "--why", "x", "β"],
    ["design", "greek.csv"],
    ["classes", "greek.csv"],
    ["catalog"],
    ["check", "--help"],
]


class Stream(io.TextIOWrapper):
    """A stream in memory that optionally fails with an error of the operating system."""

    def __init__(self, encoding: str = "utf-8", failure: int | None = None) -> None:
        super().__init__(_Raw(failure), encoding=encoding, write_through=True)

    @property
    def content(self) -> bytes:
        return self.buffer.getvalue()  # type: ignore[attr-defined,no-any-return]

    @property
    def text(self) -> str:
        return self.content.decode(self.encoding)


class _Raw(io.BytesIO):
    def __init__(self, failure: int | None) -> None:
        super().__init__()
        self.failure = failure

    def write(self, data: object) -> int:
        if self.failure is not None:
            raise OSError(self.failure, os.strerror(self.failure))
        return super().write(data)  # type: ignore[arg-type]

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("graph.csv").write_text(GRAPH, encoding="utf-8")
    Path("greek.csv").write_text(GREEK, encoding="utf-8")
    # graphs in our own format cause no line on standard error when standard output holds a file
    write_graph(read_graph("graph.csv"), "graph.json")
    write_graph(read_graph("greek.csv"), "greek.json")


def run(monkeypatch: pytest.MonkeyPatch, words: list[str], out: Stream | None) -> tuple[int, str]:
    """Run the command line and return the exit code and the text on standard error."""
    err = Stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main(words)
    return code, err.text


# Encodings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-16"])
def test_characters_that_the_encoding_lacks_are_spelled_or_escaped(
    monkeypatch: pytest.MonkeyPatch, words: list[str], encoding: str
) -> None:
    out = Stream(encoding)
    assert run(monkeypatch, words, out) == (0, "")
    if "greek.csv" in words and "graph.csv" not in words:
        assert ("β" if encoding == "utf-16" else "\\u03b2") in out.text


def test_an_escaped_name_does_not_distort_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stream("ascii")
    assert run(monkeypatch, ["check", "greek.csv"], out) == (0, "")
    table = [line for line in out.text.splitlines() if line.startswith(("|", "+-"))]
    assert len(table) > 3
    assert len({len(line) for line in table}) == 1


def test_reports_are_written_in_utf_8_for_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["check", "greek.csv", "--report", "r.html", "--markdown", "r.md", "--latex", "r.tex"]
    assert run(monkeypatch, words, Stream("cp1252")) == (0, "")
    for name in ("r.html", "r.md", "r.tex"):
        assert "β" in Path(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_json_loses_nothing(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = Stream(encoding)
    assert run(monkeypatch, ["check", "greek.csv", "--json"], out) == (0, "")
    assert [latent["name"] for latent in json.loads(out.text)["latents"]] == ["β", "x"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_names_of_files_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"bad\xff\x1b[31m\xe2\x80\xae.csv")
    Path(name).write_text(GREEK, encoding="utf-8")
    shown = "bad\\udcff\\x1b[31m\\u202e.csv"
    for words in ([name], [name, "graph.csv"], [name, "--json"]):
        out = Stream()
        code = ["check", *words, "--report", "r.html", "--markdown", "r.md", "--latex", "r.tex"]
        assert run(monkeypatch, code, out) == (0, "")
        assert "\x1b" not in out.text
        assert shown in out.text or "\\u001b[31m\\u202e" in out.text
    page = Path("r.html").read_text(encoding="utf-8")
    assert shown in page
    assert "\x1b" not in page


def test_a_graph_on_standard_output_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["convert", "greek.json", "-"], ["design", "greek.json", "-o", "-"]):
        out = Stream("cp1252")
        assert run(monkeypatch, words, out) == (0, "")
        Path("again.json").write_bytes(out.content)
        assert read_graph("again.json").latents == ("β", "x")


def test_only_the_requested_file_goes_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stream()
    assert run(monkeypatch, ["check", "graph.json", "--markdown", "-"], out) == (0, "")
    assert out.text.startswith("**")


def test_letters_of_an_unknown_encoding_are_escaped() -> None:
    assert encodable("a β", "no such encoding") == "a \\u03b2"
    assert json_encodable('"\x7f"', "utf-8") == '"\\u007f"'
    assert json.loads(json_encodable(json.dumps("𝛽\udcff", ensure_ascii=False), "ascii")) == "𝛽\udcff"
    assert printable("a\r\nb\0") == "a\\r\\nb\\x00"


def test_figures_do_not_get_the_names_of_windows_devices() -> None:
    verdict = check(load("ActionDiag"))
    named = _file_names((name, verdict) for name in ("aux", "a/NUL.csv", "com1.b.json", "auxin"))
    assert [name for name, _ in named] == ["_aux", "_NUL.csv", "_com1.b.json", "auxin"]


# Closed, full, unread -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [*COMMANDS, ["check", "graph.csv", "--json"], ["--version"], ["convert", "graph.json", "-"]],
    ids=" ".join,
)
def test_lost_output_gives_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    assert run(monkeypatch, words, None) == (2, CLOSED)
    closed = Stream()
    closed.close()
    assert run(monkeypatch, words, closed) == (2, CLOSED)
    code, error = run(monkeypatch, words, Stream(failure=errno.ENOSPC))
    assert code == 2
    assert error == "mechsparse: standard output: no space left on device; the output is incomplete\n"


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["check", "graph.csv", "--report", "out"], "out"),
        (["check", "graph.csv", "--figures", "out"], "out/graph.csv.png"),
        (["convert", "graph.csv", "out.json"], "out.json"),
        (["design", "graph.csv", "-o", "out.json"], "out.json"),
        (["plot", "graph.csv", "out.png"], "out.png"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_files_are_written_even_if_the_output_fails(
    monkeypatch: pytest.MonkeyPatch, words: list[str], written: str
) -> None:
    for out, code in ((None, 0), (Stream(failure=errno.EPIPE), 0), (Stream(failure=errno.ENOSPC), 2)):
        assert run(monkeypatch, words, out)[0] == code
        assert Path(written).exists()
        Path(written).unlink()


@pytest.mark.parametrize(
    "words", [*COMMANDS, ["catalog", "--json"], ["convert", "graph.json", "-"]], ids=" ".join
)
def test_a_closed_pipe_is_not_an_error(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    assert run(monkeypatch, words, Stream(failure=errno.EPIPE)) == (0, "")


def test_a_closed_pipe_does_not_change_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for graph, code in (("ActionDiag", 0), ("ActionBlockDiag", 1)):
        assert run(monkeypatch, ["check", graph, "--strict"], Stream(failure=errno.EPIPE)) == (code, "")


def test_windows_reports_a_closed_pipe_as_an_invalid_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.EINVAL, "Invalid argument")
    assert not is_broken_pipe(error)
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert is_broken_pipe(error)


def test_the_exit_code_is_right_without_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["check", "nowhere.csv"]) == 2
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stderr", Stream(failure=errno.ENOSPC))
    assert main(["check", "nowhere.csv"]) == 2


def test_a_missing_standard_input_gives_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, error = run(monkeypatch, ["check", "-"], Stream())
    assert code == 2
    assert error == "mechsparse: standard input: is closed; give the name of a file, or pipe one in\n"


def test_text_only_streams_of_notebooks_are_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(GREEK))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["convert", "-", "-", "--from", "edges"]) == 0
    assert json.loads(out.getvalue())["latents"] == ["β", "x"]


def test_a_stream_with_only_a_write_method_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tee:
        content = ""

        def write(self, text: str) -> None:
            self.content += text

    tee = Tee()
    monkeypatch.setattr(sys, "stdout", tee)
    assert main(["check", "greek.csv"]) == 0
    assert "β" in tee.content


def test_the_streams_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Stream(), Stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with standard_streams() as streams:
        assert (sys.stdout, sys.stderr) == streams
        assert isinstance(sys.stdout, Output)
        assert not sys.stdout.isatty()
        assert sys.stdout.writable()
        assert sys.stdout.buffer.writable()
        with pytest.raises(io.UnsupportedOperation):
            sys.stdout.fileno()
    assert (sys.stdout, sys.stderr) == (out, err)


# Whole processes ------------------------------------------------------------------------------------


# a notebook or a desktop may have set MPLBACKEND to a backend that is unavailable, which must not matter
BACKEND = {"MPLBACKEND": "nonsense"}


def shell(line: str) -> subprocess.CompletedProcess[str]:
    script = line.replace("mechsparse", " ".join(f"'{word}'" for word in COMMAND))
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ, **BACKEND},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("mechsparse check graph.csv >&-", 2, CLOSED),
        ("mechsparse check graph.csv --report r.html >&- 2>&- <&-", 0, ""),
        ("mechsparse check catalog:all --json | true", 0, ""),
        ("mechsparse --help | true", 0, ""),
    ],
)
def test_a_process_ends_without_a_traceback(line: str, code: int, error: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, error)
    assert Path("r.html").exists() == ("r.html" in line)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_gives_one_line() -> None:
    done = shell("mechsparse catalog --json > /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("mechsparse: standard output: no space left")
    assert done.stderr.count("\n") == 1


def test_closed_descriptors_are_occupied(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def fstat(number: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    def open_lowest(*_: object) -> int:
        opened.append(len(opened))
        return opened[-1]

    inheritable: list[tuple[int, bool]] = []
    record: Callable[[int, bool], None] = lambda number, flag: inheritable.append((number, flag))  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        patched.setattr(os, "open", open_lowest)
        patched.setattr(os, "set_inheritable", record)
        from identify.commands.streams import _occupy_closed_descriptors

        _occupy_closed_descriptors()
    assert inheritable == [(0, True), (1, True), (2, True)]
