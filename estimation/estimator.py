"""`SparseMechanismVAE`: the same training as a scikit-learn estimator, for pipelines, clones and grid searches.

Rows of X are observations. What makes mechanisms sparse comes in beside them: actions, and the order of the rows.

::

    fit(X, actions=A)             rows are independent; G^a is learned
    fit(X, groups=g)              the rows of a group are a sequence, in time order; G^z is learned
    fit(X, actions=A, groups=g)   both
    fit(X)                        all rows are one sequence; G^z is learned

With ``sklearn.set_config(enable_metadata_routing=True)`` actions and groups reach the estimator through a pipeline or
a search without further ado; without it, a pipeline takes them as ``fit(X, STEP__actions=A)``. Groups that are meant
for the splits of a search only are kept out by ``set_fit_request(groups=False).set_score_request(groups=False)``.

scikit-learn's own checks (``sklearn.utils.estimator_checks``) call ``fit(X)``, so that they see the last of the four.
They pass, but for one that can't be promised: ``check_methods_subset_invariance`` wants `transform` of a row alone
and among others to agree to 1e-7, which is what float32 carries; torch adds up in another order for other numbers of
rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from estimation.config.training import TrainingConfig
from estimation.dataset.alignment import align
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.arrays import as_numbers
from estimation.dataset.readers.episodes import codes_of_groups, cut_episodes
from estimation.dataset.readers.frames import (
    frame_actions,
    frame_names,
    frame_numbers,
    is_frame,
    require_whole,
)
from estimation.dataset.readers.raw_data import Parts
from estimation.dataset.readers.roles import roles_of_frames
from estimation.exceptions import ConfigError, DataError
from estimation.training.loop import fit as train

__all__ = ["SparseMechanismVAE"]

Order = Literal["sequence", "independent"]
# what comes in beside X
Extra = ArrayLike | None

_FLOATS = (np.float64, np.float32)
_ORDERS = ("auto", "sequence", "independent")
_BUDGETS = {"max_edges_actions": "actions", "max_edges_past": "past"}
# parameters called like one of these mean what it means there
_SETTINGS = {field.name for field in dataclasses.fields(TrainingConfig)}


class SparseMechanismVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A sparse-mechanism VAE that learns latents and their causal graph.

    Args:
        n_latents: of the model. None: as many as X has columns, the most that a decoder can keep apart; set it.
        order: what the order of the rows of X means. ``"sequence"``: the rows of a group, or all rows without groups,
            follow each other in time. ``"independent"``: nothing; actions are needed. ``"auto"``: independent when
            there are actions and no groups, else a sequence. Rows that were shuffled are no sequence.
        max_edges_actions: the budget: most edges of G^a. ``"auto"``: n_latents, one parent for each latent on
            average. That is a place to start from, not something found in the data: a graph with more edges is cut.
            None: no limit on G^a. Not used by ``sparsity="penalty"`` and ``"none"``.
        max_edges_past: the budget of G^z, likewise.
        preset: ``"fast"`` or ``"published"``.
        sparsity: ``"budget"``, ``"constraint"``, ``"penalty"``, ``"adaptive"`` or ``"none"``; None: as in the preset.
        steps: optimisation steps; None: as in the preset.
        batch_size: samples in a step; None: as in the preset.
        learning_rate: of the main optimiser; None: as in the preset.
        unmixing: change to the linear basis with the sparsest mechanisms; None: as in the preset.
        random_state: a seed, the same one giving the same model; or a ``numpy.random.RandomState``, or None for
            numpy's global one, each of which gives another model at every fit.
        threads: for torch's computations in `fit`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        verbose: show the progress of training on standard error.
        allow_constant: accept columns of X and of the actions that never change.
        settings: any other setting of `estimation.config.TrainingConfig`, by name.

    Attributes:
        model_: the `TrainedModel`; ``model_.config`` holds all settings, budgets included.
        graph_: the learned `CausalGraph`. Latents are called v0, v1, ... as in `get_feature_names_out`; actions like
            the columns of their DataFrame, or a0, a1, ...
        history_: the `History` of training; its notes say how the rows were understood.
        order_: ``"sequence"`` or ``"independent"``.
        n_features_in_: columns of X.
        feature_names_in_: their names, when X was a DataFrame.

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

    # asked for unless told otherwise: without them there is nothing to be sparse
    __metadata_request__fit: ClassVar = {"actions": True, "groups": True}
    # a Pipeline asks its last step about sample_weight, also when none is given
    __metadata_request__score: ClassVar = {"actions": True, "groups": True, "sample_weight": None}

    def __init__(
        self,
        n_latents: int | None = None,
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
        self.random_state = random_state
        self.threads = threads
        self.device = device
        self.verbose = verbose
        self.allow_constant = allow_constant
        self.settings = settings

    def fit(self, X: ArrayLike, y: object = None, actions: Extra = None, groups: Extra = None) -> Self:
        """Train the model.

        A twentieth of the data is held out to be looked at during training: rows, or whole groups, or with fewer
        than 20 groups the end of each.

        Args:
            X: observations, shape (n_samples, d_x).
            y: ignored.
            actions: shape (n_samples, d_a), or (n_samples,) for one action. In a sequence, the action of a row acts
                on the step that leads to it; that of the first row is not used.
            groups: labels, shape (n_samples,); the rows of a group are in time order, not necessarily adjacent.

        Raises:
            ConfigError: a parameter is unknown, out of its range, or at odds with the data.
            DataError: X, actions and groups don't fit each other, or hold values that they shouldn't.
            TrainingError: training went wrong.
            ValueError: X is not what scikit-learn accepts.
        """
        x = _checked(self, X, ensure_min_samples=2)
        order = _order(self.order, actions, groups)
        names = tuple(getattr(self, "feature_names_in_", ()))
        dataset = _dataset(x, names, actions, groups, order, bool(self.allow_constant))
        config = self._config(dataset)
        self.model_ = train(dataset, config, progress=bool(self.verbose))
        self.order_, self.graph_, self.history_ = order, self.model_.graph, self.model_.history
        self.history_.notes[:0] = dataset.notes
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Posterior means of the latents.

        Args:
            X: observations, shape (n_samples, d_x).

        Returns:
            shape (n_samples, n_latents), computed in float32 and returned in the type of X.

        Raises:
            ValueError: X is not what scikit-learn accepts, or has other columns than in `fit`.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "model_")
        x = _checked(self, X, reset=False)
        return self.model_.encode(x).astype(x.dtype, copy=False)

    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Mean observations that latents decode to.

        Args:
            X: latents, shape (n_samples, n_latents).

        Returns:
            shape (n_samples, d_x), computed in float32 and returned in the type of X, or in float64 where float32
            can't tell the values of a column apart.

        Raises:
            DataError: another number of latents.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "model_")
        z = check_array(X, dtype=_FLOATS, estimator=self, input_name="X")
        found = self.model_.decode(z)
        # float32 would not tell the values of columns apart that are centred in double precision
        wide = self.model_.model.x_centring is not None
        return found if wide else found.astype(z.dtype, copy=False)

    def score(self, X: ArrayLike, y: object = None, actions: Extra = None, groups: Extra = None) -> float:
        """The evidence lower bound per row or pair of rows and observed column; higher is better.

        It is that of observations standardised as in training, so that models compare when they were fitted to the
        same X, or folds of it. It prefers more edges: compare at equal budgets.

        Args:
            X: observations, shape (n_samples, d_x).
            y: ignored.
            actions: as in `fit`; needed if they were given there.
            groups: as in `fit`; without them the rows are one sequence, unless the model takes rows as independent.

        Raises:
            ConfigError: groups are given, and the model takes rows as independent.
            DataError: X, actions and groups don't fit each other or the model.
            ValueError: X is not what scikit-learn accepts, or has other columns than in `fit`.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        check_is_fitted(self, "model_")
        x = _checked(self, X, reset=False)
        self._require_actions(actions)
        order = _order(self.order_, actions, groups)
        names = tuple(getattr(self, "feature_names_in_", ()))
        dataset = _dataset(x, names, actions, groups, order, allow_constant=True)
        found = self.model_.negative_elbo(self._like_in_fit(dataset))
        assert found is not None
        return -found["total"]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Names of the latents, v0, v1, ..., as in ``graph_``.

        Args:
            input_features: names of the columns of X, only compared with those seen in `fit`.

        Raises:
            ValueError: these are other columns.
            sklearn.exceptions.NotFittedError: before `fit`.
        """
        super().get_feature_names_out(input_features)
        return np.array(self.graph_.latents, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.graph_.n_latents

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _config(self, dataset: Dataset) -> TrainingConfig:
        parameters = self.get_params(deep=False).items()
        own = {name: _plain(value) for name, value in parameters if name in _SETTINGS}
        own["seed"] = _seed(self.random_state)
        if own["n_latents"] is None:
            own["n_latents"] = dataset.n_observed
        others = _others(self.settings, own)
        budgets = {name: own.pop(name) for name in _BUDGETS}
        config = TrainingConfig.from_dict(own | others)
        present = {"actions": dataset.n_actions > 0, "past": dataset.n_steps > 1}
        for name, mask in _BUDGETS.items():
            if budgets[name] == "auto":
                used = config.sparsity in ("budget", "constraint") and present[mask]
                budgets[name] = config.n_latents if used else None
        return config.replace(**budgets)

    def _require_actions(self, actions: Extra) -> None:
        """Refuse another number of columns, where they have no names."""
        if actions is not None and is_frame(actions) and frame_names(actions, "actions") is not None:
            return
        count = 0 if actions is None else _columns(actions)[0].shape[1]
        if count != len(self.model_.action_names):
            raise DataError(f"fit had {len(self.model_.action_names)} columns of actions; score has {count}")

    def _like_in_fit(self, dataset: Dataset) -> Dataset:
        """The data of `score`, with the actions that `fit` had, by name."""
        try:
            return align(dataset, self.model_, "the estimator")
        except DataError as error:
            raise DataError(f"actions are not those of fit: {error}") from error


def _order(order: str, actions: Extra, groups: Extra) -> Order:
    if order not in _ORDERS:
        raise ConfigError(f"order is {order!r}; it is one of {', '.join(_ORDERS)}")
    if order == "independent" and groups is not None:
        raise ConfigError("groups are given, but rows are independent here; leave the groups out")
    if order == "independent" and actions is None:
        raise ConfigError(
            "rows are independent here and there are no actions, so that nothing can be sparse; give actions, or "
            "order='sequence' if the rows follow each other in time"
        )
    if order == "independent" or (order == "auto" and actions is not None and groups is None):
        return "independent"
    return "sequence"


def _checked(estimator: SparseMechanismVAE, X: ArrayLike, **options: Any) -> NDArray[Any]:
    """X as an array of floats, after scikit-learn's own checks; cells of frames are read as those of tables."""
    if not is_frame(X) or all(getattr(kind, "kind", "O") in "fb" for kind in getattr(X, "dtypes", ["O"])):
        if isinstance(X, np.ndarray) and X.dtype.kind in "iu":
            require_whole(X, "X")
        return np.asarray(validate_data(estimator, X, dtype=_FLOATS, **options))
    validate_data(estimator, X, skip_check_array=True, reset=options.pop("reset", True))
    numbers = frame_numbers(X, "X")
    return np.asarray(check_array(numbers, dtype=_FLOATS, estimator=estimator, input_name="X", **options))


def _dataset(
    x: NDArray[Any],
    x_names: tuple[str, ...],
    actions: Extra,
    groups: Extra,
    order: Order,
    allow_constant: bool,
) -> Dataset:
    a, names, levels = (None, None, {}) if actions is None else _columns(actions)
    if a is not None and len(a) != len(x):
        raise DataError(f"actions have {len(a)} rows and X has {len(x)}; every row of X needs its action")
    parts = Parts(x, actions=a, notes=("rows were taken as independent",))
    if order == "sequence":
        parts = _pairs(parts, groups)
    dataset = Dataset.from_arrays(
        parts.observations,
        actions=parts.actions,
        action_names=names,
        episodes=parts.episodes,
        notes=parts.notes,
        observation_names=tuple(str(name) for name in x_names),
        allow_constant=allow_constant,
    )
    return dataclasses.replace(dataset, roles=roles_of_frames(x_names, names, levels) if levels else None)


def _pairs(parts: Parts, groups: Extra) -> Parts:
    n_rows = len(parts.observations)
    if groups is None:
        codes, labels = np.zeros(n_rows, dtype=np.int64), ["X"]
        note = "rows were taken as one sequence in time"
    else:
        codes, labels = codes_of_groups(groups, n_rows)
        note = f"rows were taken as sequences in time, {len(labels)} in all"
    whole = Parts(parts.observations, actions=parts.actions, notes=(note,))
    return cut_episodes(whole, codes, labels, None, 2, lambda row: f"row {row}")


def _columns(actions: ArrayLike) -> tuple[NDArray[Any], tuple[str, ...] | None, dict[str, tuple[str, ...]]]:
    """The columns of the actions, their names if they have any, and the values of columns of text."""
    if is_frame(actions):
        return frame_actions(actions, "actions")
    array = as_numbers(actions, "actions")
    if array.ndim not in (1, 2):
        raise DataError(f"actions have shape {array.shape}; they must be (n_samples, d_a)")
    return array[:, np.newaxis] if array.ndim == 1 else array, None, {}


def _others(settings: object, own: Mapping[str, Any]) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise ConfigError(f"settings is {settings!r}; it must be a mapping from names to values")
    for name in settings:
        if name in own:
            parameter = "random_state" if name == "seed" else name
            raise ConfigError(f"settings holds {name!r}; set the estimator's parameter {parameter} instead")
    return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    """The Python number in a numpy one, as searches over parameters give."""
    return value.item() if isinstance(value, np.generic) else value


def _seed(random_state: int | np.random.RandomState | None) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
