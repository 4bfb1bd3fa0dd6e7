"""Standard streams that never interrupt a command, even if they are closed, full or without a reader.

A command writes all requested files even if its standard output fails. The failure is recorded and reported at the end:
with one line and exit code 2 if requested output is lost, and silently if the reader has closed the pipe (``| head``).
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
    "exit_code_after_output",
    "is_absent",
    "is_broken_pipe",
    "is_discarded",
    "print_error",
    "standard_streams",
]

_BAD_INPUT = 2
_BROKEN_PIPE = (errno.EPIPE, errno.ECONNRESET)


class Output(io.TextIOBase):
    """A standard stream that never raises: it records the first error and discards all later output.

    Characters that the encoding of the stream lacks are spelled in ASCII or escaped.

    Args:
        stream: Stream to write to; None if there is none (``>&-``, a service, ``pythonw``).

    Attributes:
        failure: First error of the operating system, or None.
        lost: Whether text was written although there is no stream.

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
        """Whether the stream is missing."""
        return self._stream is None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream; UTF-8 if it has none, as in a notebook."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> _Bytes:
        """Binary side of the stream."""
        return _Bytes(self)

    def write(self, text: str) -> int:
        """Write text, or record the failure."""
        self.lost = self.lost or (self.absent and bool(text))
        if self._stream is not None and self.failure is None:
            with self._recording_failure():
                self._stream.write(encodable(text, self.encoding))
        return len(text)

    def write_bytes(self, data: bytes) -> int:
        """Write bytes after the text so far; decode them as UTF-8 if the stream accepts only text."""
        binary = getattr(self._stream, "buffer", None)
        if binary is None:
            self.write(data.decode("utf-8"))
        elif self.failure is None:
            with self._recording_failure():
                self._stream.flush()  # type: ignore[union-attr]
                binary.write(data)
        return len(data)

    def flush(self) -> None:
        """Flush the stream, or record the failure."""
        flush = getattr(self._stream, "flush", None)
        if flush is not None and self.failure is None:
            with self._recording_failure():
                flush()

    def writable(self) -> bool:
        """Return True, because writing never raises."""
        return True

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        # a user-supplied stream may lack this method and `fileno`
        return bool(getattr(self._stream, "isatty", lambda: False)())

    def fileno(self) -> int:
        """Return the file descriptor.

        Raises:
            io.UnsupportedOperation: If the stream has none.
        """
        number = getattr(self._stream, "fileno", None)
        if number is None:
            raise io.UnsupportedOperation("fileno")
        return int(number())

    @contextlib.contextmanager
    def _recording_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            _redirect_to_null(self)


class _Bytes(io.RawIOBase):
    """Binary side of an `Output`."""

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
    """Replace standard output and standard error by an `Output` while the block runs."""
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


def exit_code_after_output(out: Output, code: int) -> int:
    """Return the exit code of a command, after an error message if its output is lost.

    Args:
        out: Stream that replaced standard output.
        code: Exit code of the command itself.

    Returns:
        2 if output is lost. Otherwise the code of the command, also if the reader has closed the pipe.
    """
    out.flush()
    if out.lost:
        return print_error("standard output is closed: the output is lost")
    if out.failure is not None and not is_broken_pipe(out.failure):
        reason = out.failure.strerror or "can't be written"
        return print_error(f"standard output: {reason[0].lower()}{reason[1:]}; the output is incomplete")
    return code


def is_broken_pipe(error: OSError) -> bool:
    """Return whether the reader has closed the pipe, as ``head`` does, which is not an error."""
    # Windows reports "invalid argument" for writes to a closed pipe
    return error.errno in _BROKEN_PIPE or (os.name == "nt" and error.errno == errno.EINVAL)


def is_absent() -> bool:
    """Return whether there is no standard output, as in a service or after ``>&-``."""
    return sys.stdout is None or (isinstance(sys.stdout, Output) and sys.stdout.absent)


def is_discarded() -> bool:
    """Return whether all further output is discarded."""
    return isinstance(sys.stdout, Output) and (sys.stdout.lost or sys.stdout.failure is not None)


def print_error(message: str) -> int:
    """Print one line on standard error, if it exists, and return the exit code 2."""
    # print() would use standard output for None
    if sys.stderr is not None:
        line = f"mechsparse: {one_line(message)}"
        with contextlib.suppress(OSError):
            print(encodable(line, getattr(sys.stderr, "encoding", None) or "utf-8"), file=sys.stderr)
    return _BAD_INPUT


def _occupy_closed_descriptors() -> None:
    """Open the null device for each closed descriptor among 0, 1 and 2.

    Otherwise the next opened file gets that number, and libraries that write to standard error write into the file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the operating system assigns the lowest free number
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.close(descriptor)
                return
            os.set_inheritable(descriptor, True)


def _redirect_to_null(stream: Output) -> None:
    """Redirect the descriptor to the null device, because Python flushes its buffers when it exits."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, number)
    os.close(null_device)
