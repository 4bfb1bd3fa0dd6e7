"""The messages from `identify.influence.worker` to the process that started it: one line of JSON each.

A message has a ``kind``: ``"ready"``, ``"graph"``, ``"answer"``, ``"end"`` or ``"error"``. Certificates are sent as
text: reading a sympy expression evaluates it again, which may take as long as it took in the worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from identify.exceptions import (
    FileAccessError,
    FormatError,
    GraphError,
    IdentifyError,
    MechanismError,
    RequestError,
    UndecidedError,
    UnknownNameError,
)
from identify.graph import CausalGraph
from identify.influence.report import Influence

__all__ = [
    "Message",
    "decode_error",
    "decode_graph",
    "decode_influence",
    "encode_error",
    "encode_graph",
    "encode_influence",
]

Message = dict[str, Any]

_ERRORS = (
    FileAccessError,
    FormatError,
    GraphError,
    MechanismError,
    RequestError,
    UndecidedError,
    UnknownNameError,
)


def encode_graph(graph: CausalGraph, has_past: bool) -> Message:
    """Return the message for a graph and whether its mechanisms have a past."""
    return {
        "kind": "graph",
        "latents": graph.latents,
        "actions": graph.actions,
        "Gz": _pairs(graph.Gz),
        "Ga": _pairs(graph.Ga),
        "past": has_past,
    }


def decode_graph(message: Message) -> tuple[CausalGraph, bool]:
    """Return the graph, and whether its mechanisms have a past, from a message of `encode_graph`."""
    n, m = len(message["latents"]), len(message["actions"])
    graph = CausalGraph(
        Gz=_matrix(message["Gz"], (n, n)),
        Ga=_matrix(message["Ga"], (n, m)),
        latents=message["latents"],
        actions=message["actions"],
    )
    return graph, message["past"]


def encode_influence(influence: Influence) -> Message:
    """Return the message for the answer of one cause."""
    certificate = influence.to_dict()["certificate"]
    return {
        "kind": "answer",
        "cause": influence.cause,
        "status": influence.status,
        "reason": influence.reason,
        "repairs": influence.repairs,
        "certificate": certificate,
    }


def decode_influence(message: Message) -> Influence:
    """Return the answer from a message of `encode_influence`, with the certificate as text."""
    return Influence(
        message["cause"],
        message["status"],
        None,
        message["reason"],
        tuple(message["repairs"]),
        message["certificate"],
    )


def encode_error(error: IdentifyError) -> Message:
    """Return the message for an error: its class and its text."""
    return {"kind": "error", "class": type(error).__name__, "text": str(error)}


def decode_error(message: Message) -> IdentifyError:
    """Return the error from a message of `encode_error`; one of an unknown class becomes an `IdentifyError`."""
    classes = {error.__name__: error for error in _ERRORS}
    return classes.get(message["class"], IdentifyError)(message["text"])


def _pairs(matrix: scipy.sparse.csr_array) -> list[list[int]]:
    return np.argwhere(matrix.toarray()).tolist()


def _matrix(pairs: list[list[int]], shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    result = np.zeros(shape, dtype=bool)
    for row, column in pairs:
        result[row, column] = True
    return result
