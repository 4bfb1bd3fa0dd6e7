"""Learnable binary masks: the parents that each latent's transition network depends on.

A mask has one logit for every possible edge (row: child, column: parent). It is sampled with the straight-through
Gumbel-sigmoid: zeros and ones in the forward pass, the gradient of the relaxed sample in the backward pass
(Maddison et al. 2017; Jang et al. 2017), as in Lachapelle et al., the section on estimation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError

__all__ = ["MASK_STATES", "EdgeMasks", "Masks", "joint_mask"]

_DENSE, _SAMPLED, _FROZEN = 0, 1, 2
#: The valid values of the buffer ``state``.
MASK_STATES = (_DENSE, _SAMPLED, _FROZEN)
_MAX_LOGIT = 30.0
_N_BISECTIONS = 60
# smaller effects have the same logit
_MIN_SIZE = 1e-6


@dataclass(frozen=True)
class Masks:
    """Masks of a batch.

    Attributes:
        past: Mask of the past latents, shape (B, n, n) or (n, n); None for all edges.
        actions: Mask of the actions, shape (B, n, m) or (n, m); None for all edges.
    """

    past: Tensor | None = None
    actions: Tensor | None = None


class EdgeMasks(nn.Module):
    """The mask of one adjacency matrix, G^z or G^a; rows are children.

    A mask starts *dense* (every edge present), becomes *sampled* with `start_sampling_`, and *frozen* with `freeze_`.
    In columns that `set_sparse_columns_` excludes, every edge stays present throughout, and none of them counts.

    Args:
        n_children: Number of rows n.
        n_parents: Number of columns.
        initial_logit: Initial logit of every edge; 5 in the published runs.
        temperature: Temperature of the Gumbel-sigmoid.

    Example:
        >>> masks = EdgeMasks(2, 3)
        >>> masks.expected_edges().item()
        6.0
        >>> masks.start_sampling_(torch.tensor([[9.0, 1.0, 1.0], [1.0, 9.0, 1.0]]))
        >>> masks.project_(2.0)
        >>> round(masks.expected_edges().item(), 3)
        2.0
        >>> masks.freeze_(2)
        >>> masks.support().tolist()
        [[True, False, False], [False, True, False]]
    """

    state: Tensor
    # the edges of a dense or frozen mask, bool, shape (n, parents)
    kept: Tensor
    # positions of the sparse columns, and whether each column is sparse, shape (parents,)
    sparse_columns: Tensor
    is_sparse: Tensor

    def __init__(
        self, n_children: int, n_parents: int, initial_logit: float = 5.0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        size = (n_children, n_parents)
        self.logits = nn.Parameter(torch.full(size, float(initial_logit), **CPU_FLOAT32))
        self.temperature = temperature
        self.register_buffer("state", torch.tensor(_DENSE, device="cpu"))
        self.register_buffer("kept", torch.ones(size, dtype=torch.bool, device="cpu"))
        # not stored: the settings of the model determine them
        self.register_buffer("sparse_columns", torch.arange(n_parents, device="cpu"), persistent=False)
        self.register_buffer(
            "is_sparse", torch.ones(n_parents, dtype=torch.bool, device="cpu"), persistent=False
        )

    @torch.no_grad()
    def set_sparse_columns_(self, columns: Sequence[int]) -> None:
        """Keep every edge of the columns that are not given.

        Args:
            columns: Positions of the sparse columns.
        """
        self.is_sparse = torch.zeros_like(self.is_sparse)
        self.is_sparse[list(columns)] = True
        self.sparse_columns = self.is_sparse.nonzero()[:, 0]

    @property
    def n_sparse(self) -> int:
        """Number of possible edges in sparse columns."""
        return self.logits.shape[0] * len(self.sparse_columns)

    @property
    def sampled(self) -> bool:
        """Whether edges are sampled at every step."""
        return int(self.state) == _SAMPLED

    @property
    def dense(self) -> bool:
        """Whether every edge is present."""
        return int(self.state) == _DENSE

    def probabilities(self) -> Tensor:
        """Return the probability of every edge, shape (n, parents)."""
        if not self.sampled:
            return self.kept.to(self.logits.dtype)
        return torch.where(self.is_sparse, torch.sigmoid(self.logits), 1.0)

    def expected_edges(self) -> Tensor:
        """Return the expected number of edges in sparse columns."""
        return self.probabilities()[:, self.sparse_columns].sum()

    def support(self) -> Tensor:
        """Return the edges that are more likely than not, bool, shape (n, parents)."""
        return self.probabilities() > 0.5

    def sample(self, n_rows: int, generator: torch.Generator) -> Tensor | None:
        """Draw a mask for every row of a batch.

        Args:
            n_rows: Batch size B.
            generator: Random generator of the noise.

        Returns:
            Masks of shape (B, n, parents) while sampled, or (n, parents) if frozen; None if dense.
        """
        if self.dense:
            return None
        if not self.sampled:
            return self.probabilities()
        options = {**CPU_FLOAT32, "device": self.logits.device}
        uniform = torch.rand((n_rows, *self.logits.shape), generator=generator, **options)
        uniform = uniform.clamp(1e-7, 1 - 1e-7).to(self.logits.dtype)
        relaxed = torch.sigmoid((self.logits + torch.logit(uniform)) / self.temperature)
        # straight-through: the difference is exactly zero, and its gradient is that of the relaxed sample
        sampled = (relaxed > 0.5).to(relaxed.dtype) + (relaxed - relaxed.detach())
        return torch.where(self.is_sparse, sampled, 1.0)

    def support_mask(self) -> Tensor | None:
        """Return the support as a mask, shape (n, parents), for use without sampling; None if dense."""
        return None if self.dense else self.support().to(self.logits.dtype)

    @torch.no_grad()
    def start_sampling_(self, logits: Tensor | None = None) -> None:
        """Start to sample edges, from the given logits, shape (n, parents), or from the present ones."""
        if logits is not None:
            self.logits.copy_(logits)
        self.state.fill_(_SAMPLED)

    @torch.no_grad()
    def make_dense_(self) -> None:
        """Restore every edge."""
        self.kept.fill_(True)
        self.state.fill_(_DENSE)

    @torch.no_grad()
    def project_(self, budget: float) -> None:
        """Shift all logits of sparse columns by one constant so that their probabilities sum to the budget.

        Logits whose probabilities sum to less stay unchanged. Among all changes that reduce the expected number of
        edges to the budget, this one changes the odds of every edge by the same factor: it is the projection in
        relative entropy.

        Args:
            budget: Expected number of edges, 0 or more.

        Raises:
            ConfigError: If the budget is negative.
        """
        if budget < 0:
            raise ConfigError(f"the edge budget is {budget}; it must be a number of edges, 0 or more")
        logits = self.logits[:, self.sparse_columns].double()
        if torch.sigmoid(logits).sum() <= budget:
            return
        low = -2 * _MAX_LOGIT - logits.max()
        high = torch.zeros((), dtype=torch.float64, device=logits.device)
        for _ in range(_N_BISECTIONS):
            middle = (low + high) / 2
            above = torch.sigmoid(logits + middle).sum() > budget
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        shifted = (logits + low).clamp(-_MAX_LOGIT, _MAX_LOGIT).to(self.logits.dtype)
        self.logits[:, self.sparse_columns] = shifted

    @torch.no_grad()
    def freeze_(self, budget: int | None = None) -> None:
        """Freeze the mask to its most probable edges and drop the others; dense columns keep all of theirs.

        Args:
            budget: Number of edges to keep in sparse columns; None keeps the edges that are more likely than not.
        """
        if budget is None:
            kept = self.support()
        else:
            logits = self.logits[:, self.sparse_columns]
            in_sparse_columns = torch.zeros_like(logits, dtype=torch.bool)
            most_probable = logits.flatten().topk(min(budget, logits.numel())).indices
            in_sparse_columns.view(-1)[most_probable] = True
            kept = torch.ones_like(self.kept)
            kept[:, self.sparse_columns] = in_sparse_columns
        self.kept.copy_(kept)
        self.state.fill_(_FROZEN)

    def keep_strongest_(self, sizes: Tensor, count: int) -> None:
        """Freeze the mask to the edges with the largest effects.

        Args:
            sizes: Sizes of the effects in sparse columns, shape (n, columns), 0 or more. Their logarithms become the
                logits, which rank the edges if some are removed later.
            count: Number of edges to keep in sparse columns.

        Example:
            >>> masks = EdgeMasks(2, 2)
            >>> masks.keep_strongest_(torch.tensor([[0.1, 3.0], [2.0, 0.0]]), 2)
            >>> masks.support().tolist()
            [[False, True], [True, False]]
        """
        logits = torch.zeros_like(self.logits)
        logits[:, self.sparse_columns] = sizes.clamp_min(_MIN_SIZE).log().to(logits)
        self.start_sampling_(logits)
        self.freeze_(count)


def joint_mask(pairs: Sequence[tuple[Tensor | None, EdgeMasks]]) -> Tensor | None:
    """Concatenate masks along their columns; None if all edges are present.

    Args:
        pairs: Masks of shape (B, n, parents) or (n, parents), or None for all edges, and the modules that drew them.
    """
    present = [(mask, edges) for mask, edges in pairs if edges.logits.numel()]
    if all(mask is None for mask, _ in present):
        return None
    n_rows = next((mask.shape[0] for mask, _ in present if mask is not None and mask.dim() == 3), None)
    return torch.cat([_expanded(mask, edges, n_rows) for mask, edges in present], dim=-1)


def _expanded(mask: Tensor | None, edges: EdgeMasks, n_rows: int | None) -> Tensor:
    mask = torch.ones_like(edges.logits) if mask is None else mask
    return mask.expand(n_rows, -1, -1) if n_rows is not None and mask.dim() == 2 else mask
