"""Standard streams that are narrow, closed, full or unread: no traceback, no work undone, the right code."""

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
LINE = [
    ["check", "greek.csv"],
    ["check", "graph.csv", "greek.csv"],
    ["check", "greek.csv", "--why", "x", "β"],
    ["design", "greek.csv"],
    ["classes", "greek.csv"],
    ["catalog"],
    ["check", "--help"],
]


class Stream(io.TextIOWrapper):
    """A stream in memory; it fails with an error of the system where one is given."""

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
    # of a graph in our own format nothing is said on standard error while standard output holds a file
    write_graph(read_graph("graph.csv"), "graph.json")
    write_graph(read_graph("greek.csv"), "greek.json")


def ran(
    monkeypatch: pytest.MonkeyPatch, words: list[str], out: Stream | None, err: Stream | None = None
) -> tuple[int, str]:
    """The code, and what came on standard error."""
    told = err or Stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", told)
    code = main(words)
    return code, told.text


# Encodings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", LINE, ids=" ".join)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-16"])
def test_what_the_encoding_lacks_is_spelled_or_escaped(
    monkeypatch: pytest.MonkeyPatch, words: list[str], encoding: str
) -> None:
    out = Stream(encoding)
    assert ran(monkeypatch, words, out) == (0, "")
    if "greek.csv" in words and "graph.csv" not in words:
        assert ("β" if encoding == "utf-16" else "\\u03b2") in out.text


def test_an_escaped_name_keeps_the_table_in_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stream("ascii")
    assert ran(monkeypatch, ["check", "greek.csv"], out) == (0, "")
    table = [line for line in out.text.splitlines() if line.startswith(("|", "+-"))]
    assert len(table) > 3
    assert len({len(line) for line in table}) == 1


def test_a_report_is_written_in_utf_8_whatever_the_terminal_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["check", "greek.csv", "--report", "r.html", "--markdown", "r.md", "--latex", "r.tex"]
    assert ran(monkeypatch, words, Stream("cp1252")) == (0, "")
    for name in ("r.html", "r.md", "r.tex"):
        assert "β" in Path(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_json_loses_nothing(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = Stream(encoding)
    assert ran(monkeypatch, ["check", "greek.csv", "--json"], out) == (0, "")
    assert [latent["name"] for latent in json.loads(out.text)["latents"]] == ["β", "x"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_names_of_files_obey_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"bad\xff\x1b[31m\xe2\x80\xae.csv")
    Path(name).write_text(GREEK, encoding="utf-8")
    shown = "bad\\udcff\\x1b[31m\\u202e.csv"
    for words in ([name], [name, "graph.csv"], [name, "--json"]):
        out = Stream()
        code = ["check", *words, "--report", "r.html", "--markdown", "r.md", "--latex", "r.tex"]
        assert ran(monkeypatch, code, out) == (0, "")
        assert "\x1b" not in out.text
        assert shown in out.text or "\\u001b[31m\\u202e" in out.text
    page = Path("r.html").read_text(encoding="utf-8")
    assert shown in page
    assert "\x1b" not in page


def test_the_graph_itself_goes_to_standard_output_in_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["convert", "greek.json", "-"], ["design", "greek.json", "-o", "-"]):
        out = Stream("cp1252")
        assert ran(monkeypatch, words, out) == (0, "")
        Path("again.json").write_bytes(out.content)
        assert read_graph("again.json").latents == ("β", "x")


def test_only_what_was_asked_for_goes_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stream()
    assert ran(monkeypatch, ["check", "graph.json", "--markdown", "-"], out) == (0, "")
    assert out.text.startswith("**")


def test_letters_of_an_unknown_encoding_are_escaped() -> None:
    assert encodable("a β", "no such encoding") == "a \\u03b2"
    assert json_encodable('"\x7f"', "utf-8") == '"\\u007f"'
    assert json.loads(json_encodable(json.dumps("𝛽\udcff", ensure_ascii=False), "ascii")) == "𝛽\udcff"
    assert printable("a\r\nb\0") == "a\\r\\nb\\x00"


def test_no_figure_is_named_like_a_device_of_windows() -> None:
    verdict = check(load("ActionDiag"))
    found = [
        name
        for name, _ in _file_names((name, verdict) for name in ("aux", "a/NUL.csv", "com1.b.json", "auxin"))
    ]
    assert found == ["_aux", "_NUL.csv", "_com1.b.json", "auxin"]


# Closed, full, unread -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [*LINE, ["check", "graph.csv", "--json"], ["--version"], ["convert", "graph.json", "-"]],
    ids=" ".join,
)
def test_lost_output_is_one_line_and_a_code(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    assert ran(monkeypatch, words, None) == (2, CLOSED)
    closed = Stream()
    closed.close()
    assert ran(monkeypatch, words, closed) == (2, CLOSED)
    code, told = ran(monkeypatch, words, Stream(failure=errno.ENOSPC))
    assert code == 2
    assert told == "mechsparse: standard output: no space left on device; the output is incomplete\n"


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
def test_files_are_written_whatever_becomes_of_the_output(
    monkeypatch: pytest.MonkeyPatch, words: list[str], written: str
) -> None:
    for out, code in ((None, 0), (Stream(failure=errno.EPIPE), 0), (Stream(failure=errno.ENOSPC), 2)):
        assert ran(monkeypatch, words, out)[0] == code
        assert Path(written).exists()
        Path(written).unlink()


@pytest.mark.parametrize(
    "words", [*LINE, ["catalog", "--json"], ["convert", "graph.json", "-"]], ids=" ".join
)
def test_a_reader_that_leaves_does_no_harm(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    assert ran(monkeypatch, words, Stream(failure=errno.EPIPE)) == (0, "")


def test_a_reader_that_leaves_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    for graph, code in (("ActionDiag", 0), ("ActionBlockDiag", 1)):
        assert ran(monkeypatch, ["check", graph, "--strict"], Stream(failure=errno.EPIPE)) == (code, "")


def test_windows_calls_a_closed_pipe_an_invalid_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(errno.EINVAL, "Invalid argument")
    assert not is_broken_pipe(error)
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert is_broken_pipe(error)


def test_no_standard_error_leaves_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["check", "nowhere.csv"]) == 2
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stderr", Stream(failure=errno.ENOSPC))
    assert main(["check", "nowhere.csv"]) == 2


def test_no_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, told = ran(monkeypatch, ["check", "-"], Stream())
    assert code == 2
    assert told == "mechsparse: standard input: is closed; give the name of a file, or pipe one in\n"


def test_text_only_streams_of_notebooks_are_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(GREEK))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["convert", "-", "-", "--from", "edges"]) == 0
    assert json.loads(out.getvalue())["latents"] == ["β", "x"]


def test_a_stream_that_can_only_write_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tee:
        said = ""

        def write(self, text: str) -> None:
            self.said += text

    tee = Tee()
    monkeypatch.setattr(sys, "stdout", tee)
    assert main(["check", "greek.csv"]) == 0
    assert "β" in tee.said


def test_the_streams_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
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


# what a notebook or a desktop left in MPLBACKEND may not exist: a process of the command draws all the same
BACKEND = {"MPLBACKEND": "nonsense"}


def shell(line: str) -> subprocess.CompletedProcess[str]:
    script = line.replace("mechsparse", " ".join(f"'{word}'" for word in COMMAND))
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ, **BACKEND},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("mechsparse check graph.csv >&-", 2, CLOSED),
        ("mechsparse check graph.csv --report r.html >&- 2>&- <&-", 0, ""),
        ("mechsparse check catalog:all --json | true", 0, ""),
        ("mechsparse --help | true", 0, ""),
    ],
)
def test_a_process_ends_without_a_traceback(line: str, code: int, told: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, told)
    assert Path("r.html").exists() == ("r.html" in line)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    done = shell("mechsparse catalog --json > /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("mechsparse: standard output: no space left")
    assert done.stderr.count("\n") == 1


def test_closed_descriptors_are_occupied(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def fstat(number: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    def lowest(*_: object) -> int:
        opened.append(len(opened))
        return opened[-1]

    inheritable: list[tuple[int, bool]] = []
    note: Callable[[int, bool], None] = lambda number, wanted: inheritable.append((number, wanted))  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        patched.setattr(os, "open", lowest)
        patched.setattr(os, "set_inheritable", note)
        from identify.commands.streams import _occupy_closed_descriptors

        _occupy_closed_descriptors()
    assert inheritable == [(0, True), (1, True), (2, True)]
