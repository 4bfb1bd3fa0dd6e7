"""`PredictionMethods`: what a trained model predicts, as methods of `estimation.trained.TrainedModel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from estimation.device import default_modes
from estimation.exceptions import DataError
from estimation.models.representation import as_tensor
from estimation.prediction.composition import with_added_effects
from estimation.prediction.entries import entries_of
from estimation.prediction.explained_variance import ExplainedVariance, explained_variance
from estimation.prediction.forecast import Forecast, level_ends, require_positive
from estimation.prediction.imputation import Imputation, generation_of, impute_rows
from estimation.prediction.request import requested_observations, require_requested_counts
from estimation.prediction.request_checks import RequestChecks, Unseen
from estimation.prediction.trajectories import Trajectories, Transition, simulate_trajectories

if TYPE_CHECKING:
    pass

__all__ = ["PredictionMethods"]

Actions = ArrayLike | Mapping[str, Any] | None
Array = NDArray[np.float64]


class PredictionMethods(RequestChecks):
    """Predictions of a sparse VAE: observations under actions, trajectories, and missing entries."""

    @default_modes
    @torch.no_grad()
    def predict(
        self,
        actions: Actions = None,
        past: ArrayLike | None = None,
        *,
        covariates: ArrayLike | Mapping[str, Any] | None = None,
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
            covariates: Shape (N, d_c), or (1, d_c) for all rows, for a model that was trained with covariates; columns
                of a data frame are matched by name. One row of actions, or of the past, is repeated for all of them.
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
        given = self._requested_covariates(covariates)
        before = self._past(past, values, given)
        n_rows = max(1 if each is None else len(each) for each in (before, given))
        if values is not None and len(values) == 1:
            values = np.repeat(values, n_rows, axis=0)
        covered = self._coverage(values, extrapolate, unseen_combinations)
        past_latents = None if before is None else model.mean_latents(before)
        tensors = self._action_tensor(values)
        if tensors is None or covered is None:
            latents = model.transition(past_latents, tensors)
        else:
            added = torch.as_tensor(covered.added, device=tensors.device)
            latents = with_added_effects(model, past_latents, tensors, self._reference(), added)
        c = self._standardised_covariates(self._covariates(given, len(latents.loc)))
        return Forecast(model, latents, values, covered, self.observation_names, n_samples, seed, c)

    def sample(
        self,
        actions: Actions = None,
        past: ArrayLike | None = None,
        n_samples: int = 1,
        *,
        covariates: ArrayLike | Mapping[str, Any] | None = None,
        extrapolate: bool = False,
        unseen_combinations: Unseen = "add",
        seed: int = 0,
    ) -> Array:
        """Sample observations under actions, shape (n_samples, N, d_x), in the user's units.

        Args:
            actions: As for `predict`.
            past: As for `predict`.
            n_samples: Number of samples of each row.
            covariates: As for `predict`.
            extrapolate: As for `predict`.
            unseen_combinations: As for `predict`.
            seed: Seed of latents and noise.

        Raises:
            DataError: As for `predict`.
        """
        forecast = self.predict(
            actions,
            past,
            covariates=covariates,
            extrapolate=extrapolate,
            unseen_combinations=unseen_combinations,
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
        covariates: ArrayLike | Mapping[str, Any] | None = None,
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
            covariates: As for `predict`. N is the number of rows of actions, start or covariates: each has N rows, or
                one, which is repeated. So one start and several rows of covariates give one trajectory for each.
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
        given = self._requested_covariates(covariates)
        before = self._past(start, values, given, "start")
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
        c = self._standardised_covariates(self._covariates(given, len(before)))
        repeated = None if c is None else c.repeat(n_samples, 1)
        simulated = simulate_trajectories(model, before, transitions, n_samples, generator, repeated)
        return Trajectories(*simulated, covered, model.counts is not None)

    @default_modes
    @torch.no_grad()
    def impute(
        self,
        observations: ArrayLike,
        actions: Actions = None,
        *,
        covariates: ArrayLike | Mapping[str, Any] | None = None,
        level: float = 0.9,
        n_samples: int = 1024,
        seed: int = 0,
    ) -> Imputation:
        """Fill missing entries (NaN) from the posterior of the latents given the other entries.

        Args:
            observations: Shape (N, d_x), or (N, T, d_x) for sequences; NaN, masked entries, and empty cells of a data
                frame are missing.
            actions: Actions of the rows, shape (N, m), or (N, T - 1, m) for sequences, which make the prior of the
                latents more precise; optional.
            covariates: As for `predict`.
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
        if model.counts is not None:
            require_requested_counts(values, self.observation_names, model.counts.kind)
        steps = values[:, np.newaxis] if values.ndim == 2 else values
        if steps.shape[1] > 1 and not model.shape.past:
            raise DataError(
                f"observations have {steps.shape[1]} steps, and this model was trained without a past; give (N, d_x)"
            )
        given = None if actions is None else self._actions_of_steps(actions, steps.shape[:2])
        entries = entries_of(model, model.observed(self._inputs(steps, None)))
        generator = torch.Generator(entries.observed.device).manual_seed(seed)
        generation = generation_of(
            model,
            self.latent_marginals,
            steps.shape[1],
            self._action_tensor(given),
            self._standardised_covariates(self._covariates(covariates, len(steps))),
        )
        mean, low, high, latents, sizes = impute_rows(generation, entries, ends, n_samples, generator)
        missing = np.isnan(steps)
        filled, low, high = (np.where(missing, part, steps) for part in (mean, low, high))
        result = Imputation(filled, low, high, latents, missing, level, sizes)
        return result if values.ndim == 3 else result.single_step()

    @default_modes
    @torch.no_grad()
    def explained_variance(
        self, observations: ArrayLike, covariates: ArrayLike | Mapping[str, Any] | None = None
    ) -> ExplainedVariance:
        """Return how much of the variance of standardised observations few latents explain.

        Of counts, it is the variance of standardised log(1 + x / size). It takes n (n + 1) / 2 passes through the
        decoder; a few hundred rows are enough.

        Args:
            observations: Shape (N, d_x), of new rows or of the training data.
            covariates: As for `predict`.

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
        inputs = self._inputs(values, self._covariates(covariates, len(values)))
        counts, given = model.counts, model.covariates(inputs)

        def decode(latents: Array) -> Array:
            means = model.mean_observations(as_tensor(latents).to(model.x_mean), given)
            if counts is not None:
                means = (means.log1p() - counts.input_mean) / counts.input_scale
            return np.asarray(means.double().cpu().numpy())

        target = model.observed(inputs)
        target = target if counts is None else counts.encoder_inputs(target)
        latents = model.mean_latents(inputs).double().cpu().numpy()
        return explained_variance(latents, target.double().cpu().numpy(), decode)
