"""Files are written atomically, and errors of the operating system become one line."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from identify.exceptions import FileAccessError
from identify.files import folder_if_successful, make_folder, read_bytes, write_whole


def failing_call(code: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_files_round_trip_without_temporary_files(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "ünïcode\n")
    write_whole(tmp_path / "b", b"\x00\xff")
    assert read_bytes(tmp_path / "a", 100) == "ünïcode\n".encode()
    assert read_bytes(tmp_path / "b", 2) == b"\x00\xff"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "advice"), [(errno.ENOSPC, "no space left on the disk"), (errno.EDQUOT, "quota")]
)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file(
    code: int, advice: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "graph.json"
    write_whole(target, "old")
    monkeypatch.setattr(os, step, failing_call(code))
    with pytest.raises(
        FileAccessError, match=re.escape(f"{target}: ") + f".*{advice}.*; nothing was written"
    ):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["graph.json"]


def test_an_interrupt_while_writing_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "graph.json", "new")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_device_is_written_to_and_not_replaced() -> None:
    with pytest.raises(FileAccessError, match="/dev/full: no space left on the disk"):
        write_whole("/dev/full", "x" * 100_000)
    write_whole("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(read_bytes(pipe, 100)))
    reader.start()
    write_whole(pipe, "through")
    reader.join()
    assert received == [b"through"]
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_links_are_followed_and_modes_preserved(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_gets_the_default_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "ours", "x")
    tmp_path.joinpath("plain").write_text("x")
    assert tmp_path.joinpath("ours").stat().st_mode == tmp_path.joinpath("plain").stat().st_mode


def test_the_limit_applies_to_files_devices_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 2049)
    with pytest.raises(FileAccessError, match="large: is larger than 2 KiB, the limit for this format"):
        read_bytes(file, 2048)
    with pytest.raises(FileAccessError, match="/dev/zero: is larger than 10 bytes"):
        read_bytes("/dev/zero", 10)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"12345")))
    with pytest.raises(FileAccessError, match="standard input or output: is larger than 4 bytes"):
        read_bytes("-", 4)
    sparse_file = tmp_path / "huge"
    with open(sparse_file, "wb") as handle:
        handle.truncate(1 << 40)
    with pytest.raises(FileAccessError, match="huge: is larger than 1 MiB"):
        read_bytes(sparse_file, 1 << 20)


def test_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\x00in")))
    assert read_bytes("-", 10) == b"\x00in"
    with io.TextIOWrapper(os.fdopen(os.dup(1), "wb")) as out:
        monkeypatch.setattr("sys.stdout", out)
        write_whole("-", b"\x00out")
    assert capfdbinary.readouterr().out == b"\x00out"
    text_only = io.StringIO()
    monkeypatch.setattr("sys.stdout", text_only)
    write_whole("-", "in a notebook")
    assert text_only.getvalue() == "in a notebook"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "missing: no such file or folder"),
        (".", ".: is a folder; give a file"),
        ("file/below", "file/below: a part of the path is not a folder"),
        ("x" * 300, "x: the name is too long"),
        ("a\0b", "'a\\x00b': is not a valid file name"),
        ("loop", "loop: the symbolic links form a loop"),
    ],
)
def test_unreadable_files_are_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    Path("loop").symlink_to("loop")
    with pytest.raises(FileAccessError, match=re.escape(message)) as caught:
        read_bytes(name, 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/file", "nowhere/file: no such file or folder"),
        (".", ".: is a folder; give a file"),
        ("file/below", "file/below: a part of the path is not a folder"),
    ],
)
def test_unwritable_files_are_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    with pytest.raises(FileAccessError, match=re.escape(message)):
        write_whole(name, "new")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "[Ii]nput/output"),
    ],
)
def test_no_permission(code: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the tests may run as root, for whom permissions are not checked
    monkeypatch.setattr("builtins.open", failing_call(code))
    monkeypatch.setattr(os, "open", failing_call(code))
    with pytest.raises(FileAccessError, match=f"graph: {advice}"):
        read_bytes(tmp_path / "graph", 10)
    with pytest.raises(FileAccessError, match=f"graph: {advice}"):
        write_whole(tmp_path / "graph", "x")


def test_folders(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()
    tmp_path.joinpath("file").write_text("x")
    with pytest.raises(FileAccessError, match="file: is a file; give a folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(FileAccessError, match="below: a part of the path is not a folder"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize("writes", [False, True])
def test_a_block_that_fails_leaves_no_empty_folders(writes: bool, tmp_path: Path) -> None:
    def fail() -> None:
        with folder_if_successful(tmp_path / "a" / "b") as folder:
            if writes:
                (folder / "state").write_text("", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a" / "b" / "state").exists() == (tmp_path / "a").exists() == writes
    with folder_if_successful(tmp_path / "c"):
        pass
    assert (tmp_path / "c").is_dir()
    # a folder that was there before stays
    with pytest.raises(ZeroDivisionError), folder_if_successful(tmp_path / "c"):
        _ = 1 / 0
    assert (tmp_path / "c").is_dir()
