"""`SparseMechanismVAE`: training as a scikit-learn estimator, for pipelines, clones and grid searches.

Rows of X are observations. Mechanisms are sparse with respect to actions, or to the past, which the order of the rows
gives.

::

    fit(X, actions=A)             rows are independent; G^a is learned
    fit(X, groups=g)              the rows of a group are a sequence, in time order; G^z is learned
    fit(X, actions=A, groups=g)   both
    fit(X)                        all rows are one sequence; G^z is learned

With ``sklearn.set_config(enable_metadata_routing=True)``, a pipeline or a search passes actions and groups on to the
estimator; without it, a pipeline takes them as ``fit(X, STEP__actions=A)``. If groups are meant for the splits of a
search only, exclude them by ``set_fit_request(groups=False).set_score_request(groups=False)``.

Covariates (batch, donor) go to encoder and decoder and are not to become latent: ``fit(X, actions=A, covariates=C)``.
What was fitted with covariates needs them in ``transform``, ``inverse_transform`` and ``score`` too. A pipeline or a
search passes them on with metadata routing only, since ``Pipeline.transform`` takes nothing else without it.

scikit-learn's own checks (``sklearn.utils.estimator_checks``) call ``fit(X)``, so they test the last of the four.
All pass, except one that can't be guaranteed: ``check_methods_subset_invariance`` requires `transform` of a single row
and of the same row in a batch to agree to 1e-7, the precision of float32; but the order of torch's summation depends
on the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from estimation.dataset.alignment import align
from estimation.dataset.covariate_requests import requested_covariates
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.frames import (
    frame_names,
    frame_numbers,
    is_frame,
    require_exact_integers,
)
from estimation.dataset.rows import action_columns, dataset_of_rows, row_order
from estimation.estimator_parameters import run_settings
from estimation.exceptions import DataError
from estimation.prediction.explained_variance import ExplainedVariance
from estimation.training.loop import fit as train
from identify.wording import listed

__all__ = ["SparseMechanismVAE"]

Metadata = ArrayLike | None
Covariates = ArrayLike | Mapping[str, Any] | None

# rows from which the explained variance is computed
_EXPLAINED_ROWS = 500
_FLOATS = (np.float64, np.float32)


class SparseMechanismVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A sparse-mechanism VAE that learns latents and their causal graph.

    Args:
        n_latents: Number of latents. ``"auto"``: found from the data, which takes some short runs. None: the number of
            columns of X, which is the largest number that a decoder can distinguish; set it. Superfluous latents are
            removed after the race of starts, so that a model can have fewer.
        order: Meaning of the order of the rows of X. ``"sequence"``: The rows of a group, or all rows without groups,
            follow each other in time. ``"independent"``: The order has no meaning; actions are required. ``"auto"``:
            Independent if there are actions and no groups, else a sequence. Don't use a sequence for shuffled rows.
        max_edges_actions: Budget: the largest number of edges of G^a. ``"auto"``: n_latents, one parent per latent on
            average. This is a starting point, not an estimate: a graph with more edges is pruned to the budget. None:
            no limit on G^a. ``sparsity="penalty"`` and ``"none"`` ignore it.
        max_edges_past: Budget of G^z, likewise.
        preset: ``"fast"`` or ``"published"``.
        sparsity: ``"budget"``, ``"constraint"``, ``"penalty"``, ``"adaptive"`` or ``"none"``; None: as in the preset.
        steps: Optimisation steps; None: as in the preset.
        batch_size: Samples per step; None: as in the preset.
        learning_rate: Learning rate of the main optimiser; None: as in the preset.
        unmixing: Whether to change to the linear basis with the sparsest mechanisms; None: as in the preset.
        restarts: Number of whole runs with other weights, batches and noise, of which the best is kept; ``"auto"``: up
            to two more after one that has serious warnings; None: as in the preset.
        random_state: Seed; the same seed gives the same model. A ``numpy.random.RandomState``, or None for numpy's
            global one, gives a different model at every fit.
        threads: Number of threads of torch in `fit`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        verbose: Whether to show the progress of training on standard error.
        allow_constant: Whether columns of X and of the actions may be constant.
        settings: Any other settings of `estimation.config.TrainingConfig`, by name.

    Attributes:
        model_: The `TrainedModel`; ``model_.config`` holds all settings, budgets included.
        graph_: The learned `CausalGraph`. Latents are called v0, v1, ... as in `get_feature_names_out`; actions like
            the columns of their DataFrame, or a0, a1, ...
        history_: The `History` of training; its notes say how the order of the rows was interpreted.
        margin_: The `estimation.diagnostics.result.Margin` of the basis: how much sparser and likelier it is than the
            best other one, and a verdict. None if there is no other basis, or if the run was not examined (a note in
            ``history_`` says why; a run of fewer than 200 steps never is).
        warnings_: Reasons to doubt the run, a tuple of `estimation.diagnostics.result.RunWarning`, the most serious
            first.
        edge_confidence_: The probability that the true graph has each edge, arrays by ``"actions"``, shape (n, m), and
            ``"past"``, shape (n, n); rows are children. None if the run was not examined.
        latent_confidence_: The probability that each latent depends on no other true latents than ``graph_`` allows,
            shape (n,). None if the run was not examined, or if its basis was not compared with others.
        explained_variance_ratio_: How much the explained share of the variance of standardised columns grows with each
            latent, in the order of ``latent_order_``, shape (n,), from about 500 rows; ``np.cumsum`` of it is the curve
            over numbers of latents.
        latent_order_: Positions of the latents in that order: the next one is that which explains most.
        order_: ``"sequence"`` or ``"independent"``.
        n_features_in_: Number of columns of X.
        feature_names_in_: Names of the columns of X, if X was a DataFrame.

    Example:
        >>> from estimation.simulate.sampling import simulate
        >>> data = simulate("ActionBlockDiag", 300)
        >>> tiny = {"width": 8, "transition_width": 4}
        >>> estimator = SparseMechanismVAE(10, steps=20, batch_size=64, unmixing=False, settings=tiny)
        >>> estimator.fit(data.observations[:, 0], actions=data.actions).graph_.n_edges
        10
        >>> estimator.transform(data.observations[:, 0]).shape
        (300, 10)
    """

    # requested by default, because a model without them is another one
    __metadata_request__fit: ClassVar = {"actions": True, "groups": True, "covariates": True}
    __metadata_request__transform: ClassVar = {"covariates": True}
    __metadata_request__inverse_transform: ClassVar = {"covariates": True}
    # a Pipeline checks whether its last step requests sample_weight, even if none is given
    __metadata_request__score: ClassVar = {**__metadata_request__fit, "sample_weight": None}
    _explained: ExplainedVariance | None
    _row_covariates: NDArray[Any] | None = None  # of estimators that an earlier version pickled

    def __init__(
        self,
        n_latents: int | Literal["auto"] | None = None,
        *,
        order: str = "auto",
        max_edges_actions: int | Literal["auto"] | None = "auto",
        max_edges_past: int | Literal["auto"] | None = "auto",
        preset: str = "fast",
        sparsity: str | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        unmixing: bool | None = None,
        restarts: int | Literal["auto"] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        threads: int = 1,
        device: str = "auto",
        verbose: bool = False,
        allow_constant: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_latents = n_latents
        self.order = order
        self.max_edges_actions = max_edges_actions
        self.max_edges_past = max_edges_past
        self.preset = preset
        self.sparsity = sparsity
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.unmixing = unmixing
        self.restarts = restarts
        self.random_state = random_state
        self.threads = threads
        self.device = device
        self.verbose = verbose
        self.allow_constant = allow_constant
        self.settings = settings

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        actions: Metadata = None,
        groups: Metadata = None,
        covariates: Metadata = None,
    ) -> Self:
        """Train the model.

        5 % of the data are held out for validation during training: rows, or whole groups, or with fewer than 20
        groups the end of each.

        Args:
            X: Observations, shape (n_samples, d_x). NaN entries are missing: the likelihood leaves them out.
            y: Ignored.
            actions: Shape (n_samples, d_a), or (n_samples,) for one action. In a sequence, the action of a row acts
                on the step that leads to it; the action of the first row is not used.
            groups: Labels, shape (n_samples,); the rows of a group are in time order, not necessarily adjacent.
            covariates: Shape (n_samples, d_c), or (n_samples,) for one; a data frame, in which a column of text
                becomes one covariate per category, or one of its columns. In a sequence they don't change.

        Raises:
            ConfigError: If a parameter is unknown, out of its range, or conflicts with the data.
            DataError: If X, actions, groups and covariates don't fit each other, or hold invalid values.
            TrainingError: If training fails.
            ValueError: If scikit-learn doesn't accept X.
        """
        x = _checked_observations(self, X, ensure_min_samples=2)
        order = row_order(self.order, actions, groups)
        names = tuple(getattr(self, "feature_names_in_", ()))
        dataset = dataset_of_rows(x, names, actions, groups, order, bool(self.allow_constant), covariates)
        config, count = run_settings(self.get_params(deep=False), dataset)
        self.model_ = train(dataset, config, progress=bool(self.verbose), latent_count=count)
        self.order_, self.graph_, self.history_ = order, self.model_.graph, self.model_.history
        self.margin_, self.warnings_ = self.model_.margin, self.model_.warnings
        self.edge_confidence_ = self.model_.edge_confidence
        self.latent_confidence_ = self.model_.latent_confidence
        step = max(1, len(x) // _EXPLAINED_ROWS)
        self._explained, self._rows = None, np.array(x[::step])
        given = None if covariates is None else self._checked_covariates(covariates, "")
        self._row_covariates = None if given is None else given[::step]
        self.history_.notes[:0] = dataset.notes
        return self

    def fit_transform(
        self,
        X: ArrayLike,
        y: object = None,
        actions: Metadata = None,
        groups: Metadata = None,
        covariates: Metadata = None,
    ) -> NDArray[Any]:
        """Train the model as `fit` does, and return the latents of X as `transform` does.

        Args:
            X: Observations, shape (n_samples, d_x).
            y: Ignored.
            actions: As in `fit`.
            groups: As in `fit`.
            covariates: As in `fit`.
        """
        return self.fit(X, y, actions, groups, covariates).transform(X, covariates)

    def transform(self, X: ArrayLike, covariates: Covariates = None) -> NDArray[Any]:
        """Return the posterior means of the latents.

        Args:
            X: Observations, shape (n_samples, d_x).
            covariates: As in `fit`, or one row or a mapping like ``{"batch": "b1"}`` for all rows; required if they
                were given there. Columns of a data frame are matched by name.

        Returns:
            Latents, shape (n_samples, n_latents), computed in float32 and returned in the type of X.

        Raises:
            DataError: If the covariates are missing, or not those of `fit`.
            ValueError: If scikit-learn doesn't accept X, or its columns differ from those in `fit`.
            sklearn.exceptions.NotFittedError: If the estimator isn't fitted.
        """
        check_is_fitted(self, "model_")
        x = _checked_observations(self, X, reset=False)
        given = self._checked_covariates(covariates, "transform(X, covariates=C)")
        return self.model_.encode(x, given).astype(x.dtype, copy=False)

    def inverse_transform(self, X: ArrayLike, covariates: Covariates = None) -> NDArray[Any]:
        """Decode latents to the mean of the observations.

        Args:
            X: Latents, shape (n_samples, n_latents).
            covariates: As in `transform`.

        Returns:
            Observations, shape (n_samples, d_x), computed in float32 and returned in the type of X, or in float64
            where float32 would merge distinct values of a column, or columns are transformed.

        Raises:
            DataError: If the number of latents is wrong, or the covariates are missing, or not those of `fit`.
            sklearn.exceptions.NotFittedError: If the estimator isn't fitted.
        """
        check_is_fitted(self, "model_")
        z = check_array(X, dtype=_FLOATS, estimator=self, input_name="X")
        x = self.model_.decode(z, self._checked_covariates(covariates, "inverse_transform(X, covariates=C)"))
        # columns that are centred in double precision need it
        needs_float64 = self.model_.model.x_centring is not None
        return x if needs_float64 else x.astype(z.dtype, copy=False)

    def score(
        self,
        X: ArrayLike,
        y: object = None,
        actions: Metadata = None,
        groups: Metadata = None,
        covariates: Covariates = None,
    ) -> float:
        """Return the evidence lower bound per observed column and row, or pair of rows; higher is better.

        Observations are standardised as in training, so that scores of models fitted to the same X are comparable; of
        folds, if observation_transform isn't "auto". The score favours more edges: compare models with equal budgets.

        Args:
            X: Observations, shape (n_samples, d_x).
            y: Ignored.
            actions: As in `fit`; required if they were given there.
            groups: As in `fit`; without them the rows are one sequence, unless the rows are independent for the model.
            covariates: As in `transform`.

        Raises:
            ConfigError: If groups are given, and the rows are independent for the model.
            DataError: If X, actions, groups and covariates don't fit each other or the model.
            ValueError: If scikit-learn doesn't accept X, or its columns differ from those in `fit`.
            sklearn.exceptions.NotFittedError: If the estimator isn't fitted.
        """
        check_is_fitted(self, "model_")
        x = _checked_observations(self, X, reset=False)
        self._require_actions(actions)
        given = self._checked_covariates(covariates, "score(X, covariates=C)")
        if given is not None and len(given) == 1:
            given = np.repeat(given, len(x), axis=0)
        order = row_order(self.order_, actions, groups)
        names = tuple(getattr(self, "feature_names_in_", ()))
        known = (self.model_.covariate_names or None, self.model_.covariate_categories)
        dataset = dataset_of_rows(x, names, actions, groups, order, True, given, *known)
        negative_elbo = self.model_.negative_elbo(self._align(dataset))
        assert negative_elbo is not None
        return -negative_elbo["total"]

    @property
    def explained_variance_ratio_(self) -> NDArray[np.float64]:
        """How much the explained share of the variance grows with each latent of ``latent_order_``, shape (n,)."""
        return self._explained_variance().ratio

    @property
    def latent_order_(self) -> NDArray[np.intp]:
        """Positions of the latents; each next one is that which explains most together with those before it."""
        return self._explained_variance().order

    def _explained_variance(self) -> ExplainedVariance:
        if "model_" not in vars(self):
            raise AttributeError("the estimator isn't fitted; call fit first")
        if self._explained is None:
            # computed on request, since it takes n (n + 1) / 2 passes through the decoder
            self._explained = self.model_.explained_variance(self._rows, self._row_covariates)
        return self._explained

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the latents, v0, v1, ..., as in ``graph_``.

        Args:
            input_features: Names of the columns of X, which are only compared with those in `fit`.

        Raises:
            ValueError: If the names differ from those in `fit`.
            sklearn.exceptions.NotFittedError: If the estimator isn't fitted.
        """
        super().get_feature_names_out(input_features)
        return np.array(self.graph_.latents, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.graph_.n_latents

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = True
        return tags

    def _require_actions(self, actions: Metadata) -> None:
        """Require the number of action columns in `fit`, unless the columns have names."""
        if actions is not None and is_frame(actions) and frame_names(actions, "actions") is not None:
            return
        count = 0 if actions is None else action_columns(actions)[0].shape[1]
        if count != len(self.model_.action_names):
            raise DataError(f"fit had {len(self.model_.action_names)} columns of actions; score has {count}")

    def _checked_covariates(self, covariates: Covariates, call: str) -> NDArray[Any] | None:
        """Return covariates in the order of those in `fit`, shape (n_samples, d_c) or (1, d_c); None without any."""
        names = self.model_.covariate_names
        if covariates is None and names:
            raise DataError(
                f"fit had the covariates {listed(list(names), 6)}; give them: {call}. A pipeline passes them on with "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        return requested_covariates(covariates, names, self.model_.covariate_categories)

    def _align(self, dataset: Dataset) -> Dataset:
        """Return the data of `score` with the actions of `fit`, matched by name."""
        try:
            return align(dataset, self.model_, "the estimator")
        except DataError as error:
            raise DataError(f"actions differ from those in fit: {error}") from error


def _checked_observations(estimator: SparseMechanismVAE, X: ArrayLike, **options: Any) -> NDArray[Any]:
    """Return X as an array of floats, after scikit-learn's own checks; cells of frames are parsed like table cells."""
    if not is_frame(X) or all(getattr(kind, "kind", "O") in "fb" for kind in getattr(X, "dtypes", ["O"])):
        if isinstance(X, np.ndarray) and X.dtype.kind in "iu":
            require_exact_integers(X, "X")
        return np.asarray(
            validate_data(estimator, X, dtype=_FLOATS, ensure_all_finite="allow-nan", **options)
        )
    validate_data(estimator, X, skip_check_array=True, reset=options.pop("reset", True))
    numbers = frame_numbers(X, "X", allow_missing=True)
    checks = {"dtype": _FLOATS, "ensure_all_finite": "allow-nan", "input_name": "X", **options}
    return np.asarray(check_array(numbers, estimator=estimator, **checks))
