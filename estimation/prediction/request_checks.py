"""`RequestChecks`: what a request gives, checked against a trained model and in the units of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.dataset.covariate_requests import requested_covariates
from estimation.exceptions import DataError
from estimation.models.representation import Representation
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.coverage import Coverage, coverage, require_seen
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.records import action_edges, model_inputs, model_tensor
from estimation.prediction.request import requested_actions, requested_observations
from estimation.prediction.seen_actions import SeenActions
from identify.names import default_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimation.dataset.readers.roles import Roles

__all__ = ["RequestChecks", "Unseen"]

Unseen = Literal["add", "network"]
Array = NDArray[np.float64]


class RequestChecks:
    """The attributes of a trained model that predictions need, and the checks of what is asked of it."""

    if TYPE_CHECKING:
        model: Representation
        action_names: tuple[str, ...]
        actions_named: bool
        observation_names: tuple[str, ...]
        roles: Roles | None
        seen_actions: SeenActions | None
        latent_marginals: LatentMarginals | None
        covariate_names: tuple[str, ...]
        covariate_categories: Mapping[str, tuple[str, ...]] | None

    def _network(self) -> SparseVAE:
        if not isinstance(self.model, SparseVAE):
            raise DataError("this model is a baseline, which has no transition; only a sparse VAE predicts")
        return self.model

    def _actions(self, actions: Any, dimensions: int) -> Array | None:
        """Return the actions of a request in the order of the training data; None for a model without actions."""
        model = self._network()
        if not model.shape.n_actions:
            if actions is not None:
                raise DataError("actions were given, and this model was trained without actions")
            return None
        values = requested_actions(actions, self, self.seen_actions)
        if values.ndim != dimensions:
            needed = "(N, m)" if dimensions == 2 else "(N, T, m)"
            raise DataError(
                f"actions have shape {values.shape}; this needs {needed}, m = {model.shape.n_actions}"
            )
        return values

    def _actions_of_steps(self, actions: Any, shape: tuple[int, ...]) -> Array | None:
        n_rows, n_steps = shape
        if not self._network().shape.n_actions:
            raise DataError("actions were given, and this model was trained without actions")
        if self._network().shape.past and n_steps == 1:
            raise DataError(
                "observations have one step, so that no action leads to it; leave the actions out"
            )
        values = requested_actions(actions, self, self.seen_actions)
        if values.ndim == 2 and n_steps == 2:
            values = values[:, np.newaxis]
        needed = (n_rows, n_steps - 1) if self._network().shape.past else (n_rows,)
        if values.shape[:-1] != needed:
            raise DataError(
                f"actions have shape {values.shape}; for these observations they must be {(*needed, values.shape[-1])}"
            )
        return values

    def _seen(self) -> SeenActions:
        if self.seen_actions is None:
            raise DataError(
                "this model was saved by an earlier version, which didn't store the actions of its training data; "
                "train it again"
            )
        return self.seen_actions

    def _reference(self) -> Tensor:
        """Return the value of each action that stands for "not applied", as the model takes it, shape (m,)."""
        reference = self._action_tensor(self._seen().reference)
        assert reference is not None
        return reference

    def _coverage(self, values: Array | None, extrapolate: bool, unseen: str) -> Coverage | None:
        if unseen not in get_args(Unseen):
            raise DataError(f"unseen_combinations is {unseen!r}; it must be 'add' or 'network'")
        if values is None:
            return None
        seen = self._seen()
        edges = action_edges(self._network())
        latents = default_names("v", len(edges))
        result = coverage(seen, values, edges, self.action_names, latents, unseen == "add")
        if not extrapolate:
            require_seen(result, seen, values)
        return result

    def _requested_covariates(self, covariates: Any) -> NDArray[np.floating] | None:
        """Return the covariates of a request, shape (N, d_c) or (1, d_c), in the order of the training data."""
        return requested_covariates(covariates, self.covariate_names, self.covariate_categories)

    def _covariates(self, covariates: Any, n_rows: int) -> Array | None:
        """Return the covariates of a request, shape (N, d_c), in the user's units; None for a model without."""
        values = self._requested_covariates(covariates)
        if values is None:
            return None
        if len(values) not in (1, n_rows):
            raise DataError(f"covariates have {len(values)} rows; this needs {n_rows}, or 1 for all rows")
        rows = np.repeat(values, n_rows, axis=0) if len(values) == 1 < n_rows else values
        return rows.astype(np.float64)

    def _standardised_covariates(self, values: Array | None) -> Tensor | None:
        """Return covariates as decoders take them, shape (N, d_c)."""
        model = self._network()
        return None if values is None else (model_tensor(values, None, model) - model.c_mean) / model.c_scale

    def _past(
        self, past: ArrayLike | None, actions: Array | None, covariates: Any, what: str = "past"
    ) -> Tensor | None:
        """Return inputs of the encoder for the step before, shape (N, d_x + d_c); None for a model without a past.

        N is the number of rows of the past, or of actions and covariates, whose single rows are repeated.

        Raises:
            DataError: If the numbers of rows differ, or only one of model and request has a past.
        """
        counts = [len(each) for each in (actions, covariates) if each is not None]
        n_rows = max(counts, default=None)
        if len(counts) == 2 and 1 not in counts and counts[0] != counts[1]:
            raise DataError(
                f"there are {counts[0]} rows of actions and {counts[1]} of covariates; give as many, or 1 for all rows"
            )
        model = self._network()
        if not model.shape.past:
            if past is not None:
                raise DataError(f"{what} was given, and this model was trained without a past")
            return None
        if past is None:
            raise DataError(f"{what} is missing; this model needs the observations of the step before")
        values = requested_observations(past, self.observation_names, model.shape.n_observed, what)
        if values.ndim != 2 or (
            n_rows is not None and 1 not in (len(values), n_rows) and len(values) != n_rows
        ):
            needed = f"(N, {model.shape.n_observed})" if n_rows is None else (n_rows, model.shape.n_observed)
            raise DataError(f"{what} has shape {values.shape}; this needs {needed}")
        if n_rows is not None and len(values) == 1:
            values = np.repeat(values, n_rows, axis=0)
        return self._inputs(values, self._covariates(covariates, len(values)))

    def _inputs(self, values: NDArray[Any], covariates: Array | None) -> Tensor:
        """Return observations (N, ..., d_x) and covariates (N, d_c) as inputs of the encoder."""
        return model_inputs(values, covariates, self._network())

    def _action_tensor(self, values: Array | None) -> Tensor | None:
        model = self._network()
        return None if values is None else model_tensor(values, model.a_centring, model)
