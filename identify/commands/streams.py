"""The standard streams while a command runs: closed, full or without a reader, they stop no work.

A command writes the files that it was asked for whatever becomes of its standard output. What can't be written is
remembered, and told at the end: nothing where the reader has gone (``| head``), one line and exit code 2 where
output was asked for and is lost.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from identify.exceptions import one_line
from identify.terminal import encodable

__all__ = [
    "Output",
    "complain",
    "is_absent",
    "is_unheard",
    "reader_is_gone",
    "standard_streams",
    "verdict_on_output",
]

_BAD_INPUT = 2
_READER_GONE = (errno.EPIPE, errno.ECONNRESET)


class Output(io.TextIOBase):
    """A standard stream that never fails: it keeps the first error, and swallows what comes after it.

    Characters that the encoding of the stream lacks are spelled in ASCII or escaped.

    Args:
        stream: The stream to write to; None where there is none (``>&-``, a service, ``pythonw``).

    Attributes:
        failure: The first error of the operating system, or None.
        lost: Whether something was to be written, and there is no stream.

    Example:
        >>> import io
        >>> target = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        >>> with contextlib.redirect_stdout(Output(target)):
        ...     print("✓ β")
        >>> target.flush(), target.buffer.getvalue()
        (None, b'+ \\\\u03b2\\n')
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = None if stream is None or getattr(stream, "closed", False) else stream
        self.failure: OSError | None = None
        self.lost = False

    @property
    def absent(self) -> bool:
        """Whether there is no stream to write to."""
        return self._stream is None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream; UTF-8 where it has none, as in a notebook."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> _Bytes:
        """The same stream for bytes."""
        return _Bytes(self)

    def write(self, text: str) -> int:
        """Write text, as far as it can be written."""
        self.lost = self.lost or (self.absent and bool(text))
        if self._stream is not None and self.failure is None:
            with self._remembering():
                self._stream.write(encodable(text, self.encoding))
        return len(text)

    def write_bytes(self, data: bytes) -> int:
        """Write bytes after the text so far; a stream for text only gets them as UTF-8."""
        binary = getattr(self._stream, "buffer", None)
        if binary is None:
            self.write(data.decode("utf-8"))
        elif self.failure is None:
            with self._remembering():
                self._stream.flush()  # type: ignore[union-attr]
                binary.write(data)
        return len(data)

    def flush(self) -> None:
        """Flush, as far as it can be done."""
        flush = getattr(self._stream, "flush", None)
        if flush is not None and self.failure is None:
            with self._remembering():
                flush()

    def writable(self) -> bool:
        """True, whatever becomes of what is written."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        # a stream of the user's own may lack this, and the next two
        return bool(getattr(self._stream, "isatty", lambda: False)())

    def fileno(self) -> int:
        """The file descriptor.

        Raises:
            io.UnsupportedOperation: there is none.
        """
        number = getattr(self._stream, "fileno", None)
        if number is None:
            raise io.UnsupportedOperation("fileno")
        return int(number())

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            _discard_the_rest(self)


class _Bytes(io.RawIOBase):
    """The bytes side of an `Output`."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def write(self, data: Any) -> int:
        return self._output.write_bytes(bytes(data))

    def flush(self) -> None:
        self._output.flush()

    def writable(self) -> bool:
        return True


@contextlib.contextmanager
def standard_streams() -> Iterator[tuple[Output, Output]]:
    """Put an `Output` in the place of standard output and standard error while the block runs."""
    _occupy_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def verdict_on_output(out: Output, code: int) -> int:
    """The exit code once it is known whether standard output took what was printed; a loss is one line.

    Args:
        out: What stood for standard output.
        code: The exit code of the command itself.

    Returns:
        2 where something is lost; else the code, also where the reader has gone.
    """
    out.flush()
    if out.lost:
        return complain("standard output is closed: what was to be printed there is lost")
    if out.failure is not None and not reader_is_gone(out.failure):
        reason = out.failure.strerror or "can't be written"
        return complain(f"standard output: {reason[0].lower()}{reason[1:]}; what was printed is not complete")
    return code


def reader_is_gone(error: OSError) -> bool:
    """Whether whoever read our output has left, as ``head`` does: then nothing is wrong."""
    # Windows says "invalid argument" to those who write into a closed pipe
    return error.errno in _READER_GONE or (os.name == "nt" and error.errno == errno.EINVAL)


def is_absent() -> bool:
    """Whether there is no standard output, as in a service or after ``>&-``."""
    return sys.stdout is None or (isinstance(sys.stdout, Output) and sys.stdout.absent)


def is_unheard() -> bool:
    """Whether what is printed from here on goes nowhere."""
    return isinstance(sys.stdout, Output) and (sys.stdout.lost or sys.stdout.failure is not None)


def complain(message: str) -> int:
    """Print one line on standard error, if there is one, and return the exit code 2."""
    # None would make print() take standard output instead
    if sys.stderr is not None:
        line = f"mechsparse: {one_line(message)}"
        with contextlib.suppress(OSError):
            print(encodable(line, getattr(sys.stderr, "encoding", None) or "utf-8"), file=sys.stderr)
    return _BAD_INPUT


def _occupy_closed_descriptors() -> None:
    """Open the null device where 0, 1 or 2 is closed.

    Otherwise the next file that is opened gets the number, and what a library writes to "standard error" goes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number is taken
            taken = os.open(os.devnull, os.O_RDWR)
            if taken != number:
                os.close(taken)
                return
            os.set_inheritable(taken, True)


def _discard_the_rest(stream: Output) -> None:
    """Point the descriptor at the null device: Python writes what is left in its buffers when it ends."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
