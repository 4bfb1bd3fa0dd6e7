"""A decoder with covariates as a function of the latents alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from estimation.models.jacobian import pushforward

__all__ = ["ConditionalDecoder", "padded_basis"]


class ConditionalDecoder:
    """A decoder from latents and covariates (B, n + d_c) with the covariates of each row fixed.

    Args:
        decoder: The decoder.
        covariates: Standardised covariates, shape (B, d_c). A multiple k B of rows of latents is decoded with the
            covariates repeated k times.

    Example:
        >>> decode = ConditionalDecoder(torch.nn.Linear(3, 2, bias=False), torch.zeros(4, 1))
        >>> decode(torch.zeros(8, 2)).shape
        torch.Size([8, 2])
    """

    def __init__(self, decoder: nn.Module | Callable[[Tensor], Tensor], covariates: Tensor) -> None:
        self.decoder, self.covariates_of_rows = decoder, covariates

    def __call__(self, latents: Tensor) -> Tensor:
        """Decode latents, shape (k B, n)."""
        result: Tensor = self.decoder(self._joined(latents))
        return result

    def of_rows(self, rows: Tensor) -> ConditionalDecoder:
        """Return that of some of the rows."""
        return ConditionalDecoder(self.decoder, self.covariates_of_rows[rows])

    def pushforward(self, latents: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor] | None:
        """Push tangents (D, B, n) forward, as `estimation.models.jacobian.pushforward` does; covariates have none."""
        padded = nn.functional.pad(tangents, (0, self.covariates_of_rows.shape[1]))
        return pushforward(self.decoder, self._joined(latents), padded)

    def _joined(self, latents: Tensor) -> Tensor:
        c = self.covariates_of_rows
        return torch.cat(
            [latents, c if len(c) == len(latents) else c.repeat(len(latents) // len(c), 1)], dim=1
        )


def padded_basis(matrix: Tensor, offset: Tensor, n_covariates: int) -> tuple[Tensor, Tensor]:
    """Return an affine map of latents as one of latents and covariates, which leaves covariates as they are.

    Args:
        matrix: Matrix, shape (n, n).
        offset: Offset, shape (n,).
        n_covariates: Number of covariates d_c.

    Example:
        >>> padded_basis(torch.full((1, 1), 2.0), torch.ones(1), 1)[0].tolist()
        [[2.0, 0.0], [0.0, 1.0]]
    """
    if not n_covariates:
        return matrix, offset
    n = len(matrix)
    padded = torch.eye(n + n_covariates, dtype=matrix.dtype, device=matrix.device)
    padded[:n, :n] = matrix
    return padded, nn.functional.pad(offset, (0, n_covariates))
