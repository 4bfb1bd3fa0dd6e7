"""Learnable binary masks: which parents each latent's transition network may see.

A mask has one logit for every possible edge (row: child, column: parent). It is sampled with a hard
Gumbel-sigmoid: zeros and ones on the way forward, the gradient of the relaxed sample on the way back
(Maddison et al. 2017; Jang et al. 2017), as in Lachapelle et al., the section on estimation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from estimation.device import CPU_FLOAT32
from estimation.exceptions import ConfigError

__all__ = ["MASK_STATES", "EdgeMasks"]

_DENSE, _SAMPLED, _FROZEN = 0, 1, 2
#: What the buffer ``state`` may hold.
MASK_STATES = (_DENSE, _SAMPLED, _FROZEN)
_LARGEST_LOGIT = 30.0
_BISECTIONS = 60


class EdgeMasks(nn.Module):
    """The mask of one matrix, G^z or G^a; rows are children.

    It starts *dense* (every edge there), becomes *sampled* with `start_sampling_`, and *frozen* with `freeze_`.

    Args:
        children: n, rows.
        parents: columns.
        initial: the logit that every edge starts with; the published runs start at 5.
        temperature: of the Gumbel-sigmoid.

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
    kept: Tensor

    def __init__(self, children: int, parents: int, initial: float = 5.0, temperature: float = 1.0) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.full((children, parents), float(initial), **CPU_FLOAT32))
        self.temperature = temperature
        self.register_buffer("state", torch.tensor(_DENSE, device="cpu"))
        self.register_buffer("kept", torch.ones(children, parents, dtype=torch.bool, device="cpu"))

    @property
    def sampled(self) -> bool:
        """Whether edges are drawn anew at every step."""
        return int(self.state) == _SAMPLED

    @property
    def dense(self) -> bool:
        """Whether every edge is there."""
        return int(self.state) == _DENSE

    def probabilities(self) -> Tensor:
        """The probability of every edge, shape (n, parents)."""
        return torch.sigmoid(self.logits) if self.sampled else self.kept.to(self.logits.dtype)

    def expected_edges(self) -> Tensor:
        """The expected number of edges."""
        return self.probabilities().sum()

    def support(self) -> Tensor:
        """The edges that are more likely than not, bool, shape (n, parents)."""
        return self.probabilities() > 0.5

    def sample(self, rows: int, generator: torch.Generator) -> Tensor | None:
        """Draw a mask for every row of a batch.

        Args:
            rows: B.
            generator: draws the noise.

        Returns:
            shape (B, n, parents) while sampled, (n, parents) when frozen, None when dense.
        """
        if self.dense:
            return None
        if not self.sampled:
            return self.probabilities()
        like = {**CPU_FLOAT32, "device": self.logits.device}
        uniform = torch.rand((rows, *self.logits.shape), generator=generator, **like)
        uniform = uniform.clamp(1e-7, 1 - 1e-7).to(self.logits.dtype)
        soft = torch.sigmoid((self.logits + torch.logit(uniform)) / self.temperature)
        # the difference is exactly zero, and its gradient is that of the relaxed sample
        return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())

    def support_mask(self) -> Tensor | None:
        """The mask to use without sampling, shape (n, parents): the support; None when dense."""
        return None if self.dense else self.support().to(self.logits.dtype)

    @torch.no_grad()
    def start_sampling_(self, logits: Tensor | None = None) -> None:
        """Begin to sample edges, from these logits if given, shape (n, parents)."""
        if logits is not None:
            self.logits.copy_(logits)
        self.state.fill_(_SAMPLED)

    @torch.no_grad()
    def make_dense_(self) -> None:
        """Let every edge through again."""
        self.kept.fill_(True)
        self.state.fill_(_DENSE)

    @torch.no_grad()
    def project_(self, budget: float) -> None:
        """Shift all logits by one number so that the probabilities sum to the budget.

        Nothing happens when they sum to less. Of all changes that bring the expected number of edges down to the
        budget, this one changes the odds of every edge alike: the projection in relative entropy.

        Args:
            budget: expected number of edges, from 0.

        Raises:
            ConfigError: the budget is negative.
        """
        if budget < 0:
            raise ConfigError(f"the edge budget is {budget}; it is a number of edges, 0 or more")
        logits = self.logits.double()
        if torch.sigmoid(logits).sum() <= budget:
            return
        low, high = (
            -2 * _LARGEST_LOGIT - logits.max(),
            torch.zeros((), dtype=torch.float64, device=logits.device),
        )
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = torch.sigmoid(logits + middle).sum() > budget
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        self.logits.copy_((logits + low).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).to(self.logits.dtype))

    @torch.no_grad()
    def freeze_(self, budget: int | None = None) -> None:
        """Keep the most probable edges for good, and drop the others.

        Args:
            budget: how many to keep; None keeps those more likely than not.
        """
        if budget is None:
            keep = self.support()
        else:
            keep = torch.zeros_like(self.kept)
            best = self.logits.flatten().topk(min(budget, self.logits.numel())).indices
            keep.view(-1)[best] = True
        self.kept.copy_(keep)
        self.state.fill_(_FROZEN)
