"""`PredictionMethods`: what a trained model predicts, as methods of `estimation.trained.TrainedModel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import Representation, as_tensor
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.composition import with_added_effects
from estimation.prediction.coverage import Coverage, coverage, require_seen
from estimation.prediction.explained_variance import ExplainedVariance, explained_variance
from estimation.prediction.forecast import Forecast, level_ends, require_positive
from estimation.prediction.imputation import Imputation, generation_of, impute_rows
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.records import action_edges, model_tensor
from estimation.prediction.request import requested_actions, requested_observations
from estimation.prediction.seen_actions import SeenActions
from estimation.prediction.trajectories import Trajectories, Transition, simulate_trajectories
from identify.names import default_names

if TYPE_CHECKING:
    from estimation.dataset.readers.roles import Roles

__all__ = ["PredictionMethods"]

Unseen = Literal["add", "network"]
Actions = ArrayLike | Mapping[str, Any] | None
Array = NDArray[np.float64]


class PredictionMethods:
    """Predictions of a sparse VAE: observations under actions, trajectories, and missing entries."""

    if TYPE_CHECKING:
        model: Representation
        action_names: tuple[str, ...]
        actions_named: bool
        observation_names: tuple[str, ...]
        roles: Roles | None
        seen_actions: SeenActions | None
        latent_marginals: LatentMarginals | None

    @default_modes
    @torch.no_grad()
    def predict(
        self,
        actions: Actions = None,
        past: ArrayLike | None = None,
        *,
        extrapolate: bool = False,
        unseen_combinations: Unseen = "add",
        n_samples: int = 512,
        seed: int = 0,
    ) -> Forecast:
        """Predict observations under actions, also under actions that were never applied together.

        Args:
            actions: Shape (N, m), in the user's units; a data frame, whose columns are matched by name; or a mapping of
                names to values for one row, whose other actions stay at their reference. None if the model has no
                actions.
            past: Observations of the step before, shape (N, d_x), or (1, d_x) for all rows; None if the model has no
                past. The forecast is that at the posterior means of their latents.
            extrapolate: Whether an action may be outside of the range of the training data.
            unseen_combinations: For latents whose parents have joint values that were never seen: ``"add"`` adds the
                effects of single actions on them, ``"network"`` takes what the transition network extrapolates.
            n_samples: Number of samples of the latents of each row, which means and intervals are computed from.
            seed: Seed of the samples.

        Returns:
            The distribution of the observations: means, intervals, samples, log-densities, and what the learned graph
            says about which of it the training data cover.

        Raises:
            DataError: If the model has no transition, an input doesn't fit the model, or an action is outside of the
                range of the training data.

        Example:
            >>> from estimation.simulate.sampling import simulate
            >>> from estimation.training import fit
            >>> from estimation.config import TrainingConfig
            >>> data = simulate("ActionBlockDiag", 300)
            >>> model = fit(data, TrainingConfig(steps=20, batch_size=64, unmixing=False, max_edges_actions=10))
            >>> forecast = model.predict({"a0": 1.0, "a1": -1.0})
            >>> forecast.mean.shape, len(forecast.interval(0.9)), bool(forecast.coverage)
            ((1, 20), 2, True)
        """
        require_positive(n_samples)
        model = self._network()
        values = self._actions(actions, dimensions=2)
        before = self._past(past, None if values is None else len(values))
        if before is not None and values is not None and len(values) == 1:
            values = np.repeat(values, len(before), axis=0)
        covered = self._coverage(values, extrapolate, unseen_combinations)
        past_latents = None if before is None else model.mean_latents(before)
        tensors = self._action_tensor(values)
        if tensors is None or covered is None:
            latents = model.transition(past_latents, tensors)
        else:
            added = torch.as_tensor(covered.added, device=tensors.device)
            latents = with_added_effects(model, past_latents, tensors, self._reference(), added)
        return Forecast(model, latents, values, covered, self.observation_names, n_samples, seed)

    def sample(
        self,
        actions: Actions = None,
        past: ArrayLike | None = None,
        n_samples: int = 1,
        *,
        extrapolate: bool = False,
        unseen_combinations: Unseen = "add",
        seed: int = 0,
    ) -> Array:
        """Sample observations under actions, shape (n_samples, N, d_x), in the user's units.

        Args:
            actions: As for `predict`.
            past: As for `predict`.
            n_samples: Number of samples of each row.
            extrapolate: As for `predict`.
            unseen_combinations: As for `predict`.
            seed: Seed of latents and noise.

        Raises:
            DataError: As for `predict`.
        """
        forecast = self.predict(
            actions, past, extrapolate=extrapolate, unseen_combinations=unseen_combinations
        )
        return forecast.sample(n_samples, seed)

    @default_modes
    @torch.no_grad()
    def intervene(
        self,
        actions: ArrayLike | None,
        start: ArrayLike,
        *,
        n_steps: int | None = None,
        extrapolate: bool = False,
        unseen_combinations: Unseen = "add",
        n_samples: int = 100,
        seed: int = 0,
    ) -> Trajectories:
        """Sample trajectories under a sequence of actions.

        Args:
            actions: Shape (N, T, m), in the user's units: ``actions[:, t]`` leads to step t. None if the model has no
                actions.
            start: Observations before the first action, shape (N, d_x), or (1, d_x) for all rows.
            n_steps: Number of steps T, for a model without actions.
            extrapolate: Whether an action may be outside of the range of the training data.
            unseen_combinations: As for `predict`.
            n_samples: Number of samples of each row.
            seed: Seed of latents and noise.

        Raises:
            DataError: If the model has no past, or an input doesn't fit the model.
        """
        require_positive(n_samples)
        model = self._network()
        if not model.shape.past:
            raise DataError("this model was trained without a past, so it has no trajectories; use predict")
        values = self._actions(actions, dimensions=3)
        if (values is None) == (n_steps is None):
            raise DataError(
                "n_steps is missing; a model without actions needs the number of steps"
                if values is None
                else f"n_steps is {n_steps}, and the actions give the number of steps; leave it out"
            )
        steps = n_steps if values is None else values.shape[1]
        assert steps is not None
        if steps < 1:
            raise DataError(f"there are {steps} steps; give at least 1")
        before = self._past(start, None if values is None else len(values), "start")
        assert before is not None
        if values is not None and len(values) == 1:
            values = np.repeat(values, len(before), axis=0)
        flat = None if values is None else values.reshape(-1, values.shape[-1])
        covered = self._coverage(flat, extrapolate, unseen_combinations)
        generator = torch.Generator(before.device).manual_seed(seed)
        tensors = self._action_tensor(values)
        transitions: list[Transition] = [partial(model.transition, actions=None)] * steps
        if tensors is not None and covered is not None:
            by_step = torch.as_tensor(covered.added, device=tensors.device).view(*tensors.shape[:2], -1)
            transitions = [
                partial(
                    with_added_effects,
                    model,
                    actions=tensors[:, t].repeat(n_samples, 1),
                    reference=self._reference(),
                    added=by_step[:, t].repeat(n_samples, 1),
                )
                for t in range(steps)
            ]
        return Trajectories(*simulate_trajectories(model, before, transitions, n_samples, generator), covered)

    @default_modes
    @torch.no_grad()
    def impute(
        self,
        observations: ArrayLike,
        actions: Actions = None,
        *,
        level: float = 0.9,
        n_samples: int = 256,
        seed: int = 0,
    ) -> Imputation:
        """Fill missing entries (NaN) from the posterior of the latents given the other entries.

        Args:
            observations: Shape (N, d_x), or (N, T, d_x) for sequences; NaN, masked entries, and empty cells of a data
                frame are missing.
            actions: Actions of the rows, shape (N, m), or (N, T - 1, m) for sequences, which make the prior of the
                latents more precise; optional.
            level: Probability that an interval holds a missing entry.
            n_samples: Number of posterior samples of each row.
            seed: Seed of the samples.

        Raises:
            DataError: If an input doesn't fit the model, or if the model has no prior without actions.
        """
        require_positive(n_samples)
        model, ends = self._network(), level_ends(level)
        values = requested_observations(
            observations, self.observation_names, model.shape.n_observed, "observations", True
        )
        steps = values[:, np.newaxis] if values.ndim == 2 else values
        if steps.shape[1] > 1 and not model.shape.past:
            raise DataError(
                f"observations have {steps.shape[1]} steps, and this model was trained without a past; give (N, d_x)"
            )
        given = None if actions is None else self._actions_of_steps(actions, steps.shape[:2])
        mask = as_tensor(~np.isnan(steps)).to(model.x_mean.device)
        x = torch.where(mask, self._standardised(steps), 0)
        generator = torch.Generator(x.device).manual_seed(seed)
        generation = generation_of(model, self.latent_marginals, steps.shape[1], self._action_tensor(given))
        mean, low, high, latents, sizes = impute_rows(generation, x, mask, ends, n_samples, generator)
        missing = np.isnan(steps)
        filled, low, high = (np.where(missing, part, steps) for part in (mean, low, high))
        result = Imputation(filled, low, high, latents, missing, level, sizes)
        return result if values.ndim == 3 else result.single_step()

    @default_modes
    @torch.no_grad()
    def explained_variance(self, observations: ArrayLike) -> ExplainedVariance:
        """Return how much of the variance of standardised observations few latents explain.

        It takes n (n + 1) / 2 passes through the decoder; a few hundred rows are enough.

        Args:
            observations: Shape (N, d_x), of new rows or of the training data.

        Raises:
            DataError: If an input doesn't fit the model, or the model is a baseline.
        """
        model = self._network()
        values = requested_observations(
            observations, self.observation_names, model.shape.n_observed, "observations", True
        )
        if values.ndim != 2:
            raise DataError(
                f"observations have shape {values.shape}; this needs (N, {model.shape.n_observed})"
            )
        if len(values) < 2:
            raise DataError("observations have 1 row; give at least 2")
        standardised = self._standardised(values)

        def decode(latents: Array) -> Array:
            decoded = model.mean_observations(as_tensor(latents).to(model.x_mean))
            return np.asarray(decoded.double().cpu().numpy())

        latents = model.mean_latents(standardised).double().cpu().numpy()
        return explained_variance(latents, standardised.double().cpu().numpy(), decode)

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

    def _past(self, past: ArrayLike | None, n_rows: int | None, what: str = "past") -> Tensor | None:
        """Return standardised observations of the step before, shape (N, d_x); None for a model without a past."""
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
        return self._standardised(values)

    def _standardised(self, values: NDArray[Any]) -> Tensor:
        model = self._network()
        return model.standardise(model_tensor(values, model.x_centring, model))

    def _action_tensor(self, values: Array | None) -> Tensor | None:
        model = self._network()
        return None if values is None else model_tensor(values, model.a_centring, model)
