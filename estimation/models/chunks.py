"""A network applied to many rows of arrays in chunks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from estimation.dataset.centring import Centring, centred
from estimation.device import CPU_FLOAT32
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor

__all__ = ["NOT_FINITE", "map_rows", "solvable"]

NOT_FINITE = "its weights are damaged, or the data are far from those that it was trained on"

_CHUNK = 16_384
# torch's own name for equations without a solution
_SINGULAR: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]


def map_rows(
    function: Callable[[Tensor, Tensor | None], Tensor],
    rows: NDArray[Any],
    covariates: NDArray[Any] | None,
    centring: Centring | None,
    like: Tensor,
) -> NDArray[np.float32]:
    """Apply a function of a network to rows, chunk by chunk.

    Args:
        function: Maps rows (B, d) and covariates (B, d_c) to (B, outputs).
        rows: Rows, shape (N, d).
        covariates: Covariates, shape (N, d_c), or None.
        centring: Centring of the rows, applied in double precision, or None.
        like: Tensor of the network, with its type and device.

    Returns:
        Outputs, shape (N, outputs).

    Raises:
        DataError: If equations of the network have no solution.

    Example:
        >>> map_rows(lambda x, c: 2 * x, np.ones((1, 2)), None, None, torch.zeros(1))
        array([[2., 2.]], dtype=float32)
    """
    parts = []
    with solvable():
        for start in range(0, len(rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            given = None if covariates is None else as_tensor(covariates[chunk]).to(like)
            parts.append(function(as_tensor(centred(rows[chunk], centring)).to(like), given).float().cpu())
    result = torch.cat(parts) if parts else torch.empty(0, 0, **CPU_FLOAT32)
    return np.asarray(result.numpy())


@contextlib.contextmanager
def solvable() -> Iterator[None]:
    """Report the equations of the refinement that have no solution, as happens with damaged weights."""
    try:
        yield
    except _SINGULAR as error:
        raise DataError(f"equations of the model have no solution; {NOT_FINITE}") from error
