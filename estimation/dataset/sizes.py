"""The sizes of a dataset, from the shapes of its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from identify.graph import CausalGraph

__all__ = ["Sizes"]


class Sizes:
    """Numbers of rows, steps and columns of a class with the arrays of a dataset."""

    if TYPE_CHECKING:
        observations: Any
        actions: Any
        latents: Any
        covariates: Any
        graph: CausalGraph | None

    @property
    def n_samples(self) -> int:
        """N, the number of rows."""
        return int(self.observations.shape[0])

    @property
    def n_steps(self) -> int:
        """T, the number of steps per row."""
        return int(self.observations.shape[1])

    @property
    def n_observed(self) -> int:
        """Number of observed dimensions d_x at each step."""
        return int(self.observations.shape[2])

    @property
    def n_actions(self) -> int:
        """Number of columns d_a of the actions; 0 without actions."""
        return 0 if self.actions is None else int(self.actions.shape[-1])

    @property
    def n_covariates(self) -> int:
        """Number of covariates d_c."""
        return 0 if self.covariates is None else int(self.covariates.shape[1])

    @property
    def n_latents(self) -> int | None:
        """Number of true latents d_z, or None if it is unknown."""
        if self.latents is not None:
            return int(self.latents.shape[2])
        return None if self.graph is None else self.graph.n_latents
