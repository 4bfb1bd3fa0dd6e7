"""What can be wrong with a graph, a file or a request.

Every error that the package raises on purpose derives from `IdentifyError`, and its text is one
line: what was wrong, where, and what would be right. Callers catch the concept, not the text.
"""

from __future__ import annotations

__all__ = [
    "FileAccessError",
    "FormatError",
    "GraphError",
    "IdentifyError",
    "MechanismError",
    "RequestError",
    "UndecidedError",
    "UnknownNameError",
]


class IdentifyError(ValueError):
    """Base of all errors that this package raises on purpose."""


class GraphError(IdentifyError):
    """The matrices, names or edges given do not make a causal graph."""


class RequestError(IdentifyError):
    """The graph is fine, what was asked of it is not: an argument is out of its range."""


class UnknownNameError(RequestError, LookupError):
    """A latent, an action or a catalogue entry of that name does not exist."""


class FormatError(IdentifyError):
    """The content of a file is not what its format says it should be."""


class FileAccessError(IdentifyError, OSError):
    """A file can't be opened, read or written: missing, a directory, no permission, disk full."""


class MechanismError(RequestError):
    """The conditional densities given make no model; the text names the latent."""


class UndecidedError(IdentifyError):
    """Neither a proof nor a counterexample was found; the text says of what."""
