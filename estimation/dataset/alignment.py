"""Other data brought in line with those that a model was trained on: the same columns in the same order, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.column_matching import ABSENT, match_actions, match_columns, named
from estimation.dataset.readers.roles import Roles
from estimation.exceptions import DataError
from identify.graph import CausalGraph
from identify.names import default_names, shown

__all__ = ["Known", "align", "align_observed", "shared_columns", "with_actions_of"]

Indices = NDArray[np.intp]


class Known(Protocol):
    """A dataset or a trained model: what is known of the columns that it has."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of the observed columns; empty when they have none."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions."""

    @property
    def actions_named(self) -> bool:
        """Whether somebody gave the actions these names."""

    @property
    def observation_shape(self) -> tuple[int, ...] | None:
        """(C, H, W) of images."""

    @property
    def roles(self) -> Roles | None:
        """Which columns of a table they were."""

    @property
    def n_observed(self) -> int:
        """d_x."""


def align(dataset: Dataset, like: Known, who: str = "the model") -> Dataset:
    """The columns of a dataset that others had, in their order.

    Columns go by name, whatever their order; those that the others don't have are left out, and none may be missing.
    Where one of the two has no names, columns go by position, and there must be as many. An action for a category that
    the dataset doesn't show is zero.

    Args:
        dataset: the data.
        like: the training data, or the model trained on them.
        who: what to call it.

    Returns:
        The dataset itself where nothing is to be done.

    Raises:
        DataError: a column is missing, their number is wrong, or a category occurs that the others never had.

    Example:
        >>> rows = [[0.0, 1.0], [2.0, 3.0]]
        >>> training = Dataset.from_arrays(rows, observation_names=["height", "weight"])
        >>> align(Dataset.from_arrays(rows, observation_names=["weight", "height"]), training).observations[0]
        array([[1., 0.]], dtype=float32)
    """
    dataset = align_observed(dataset, like, who)
    acting = match_actions(
        dataset.action_names,
        like.action_names,
        _levels(dataset),
        _levels(like),
        _unnamed(dataset, like),
        who,
    )
    if acting is None:
        # by position, or the same
        same = dataset.action_names == like.action_names
        return dataset if same else replace(dataset, action_names=like.action_names)
    _require_known_categories(dataset, like, who)
    return _with_actions(dataset, acting, like.action_names)


def align_observed(dataset: Dataset, like: Known, who: str = "the model") -> Dataset:
    """As `align`, for what needs no actions: they stay as they are.

    Raises:
        DataError: an observed column is missing, or their number is wrong.
    """
    places = match_columns(
        dataset.observation_names, dataset.n_observed, like.observation_names, like.n_observed, who
    )
    if places is None:
        return dataset
    decoder = dataset.decoder
    return replace(
        dataset,
        observations=dataset.observations[..., places],
        observation_names=like.observation_names,
        observation_shape=like.observation_shape,
        decoder=None if decoder is None else _selected(decoder, places),
    )


def shared_columns(model: Known, other: Known) -> list[int] | None:
    """Where the observed columns of the other model stand among those of the first; None when they are the same.

    Raises:
        DataError: the other one was trained on a column that the first one doesn't have.
    """
    places = match_columns(
        model.observation_names,
        model.n_observed,
        other.observation_names,
        other.n_observed,
        "the other model",
    )
    return None if places is None else places.tolist()


def with_actions_of(graph: CausalGraph, other: CausalGraph, who: str) -> CausalGraph:
    """A learned graph with its actions in the order of another one's, so that the two can be compared.

    Raises:
        DataError: they are about other actions.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0], [0, 0]], actions=["push", "pull"])
        >>> with_actions_of(graph, CausalGraph(Ga=[[1, 1]], actions=["pull", "push"]), "b").edges()
        [('push', 'z0')]
    """
    if graph.actions == other.actions:
        return graph
    if set(graph.actions) == set(other.actions):
        order = np.array([graph.actions.index(name) for name in other.actions], dtype=np.intp)
    else:
        alone = [
            name
            for name in (*other.actions, *graph.actions)
            if (name in graph.actions) != (name in other.actions)
        ]
        raise DataError(f"{shown(who)} was trained on other actions: {named(alone, '')} on one side only")
    return CausalGraph(
        Gz=graph.Gz, Ga=graph.Ga.toarray()[:, order], latents=graph.latents, actions=other.actions
    )


def _with_actions(dataset: Dataset, places: Indices, names: tuple[str, ...]) -> Dataset:
    assert dataset.actions is not None
    actions = dataset.actions[..., places]
    actions[..., places == ABSENT] = 0
    graph = dataset.graph
    if graph is not None:
        acted = graph.Ga.toarray()[:, places]
        acted[:, places == ABSENT] = False
        graph = CausalGraph(Gz=graph.Gz, Ga=acted, latents=graph.latents, actions=names)
    return replace(dataset, actions=actions, action_names=names, graph=graph)


def _selected(decoder: Callable[..., Any], places: Indices) -> Callable[..., Any]:
    """The decoder, of whose observations these columns are kept."""
    from torch import nn

    columns = places.tolist()

    class Selected(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(self, latents: Any) -> Any:
            return self.decoder(latents)[..., columns]

    return Selected()


def _require_known_categories(dataset: Dataset, like: Known, who: str) -> None:
    assert dataset.actions is not None
    known = _levels(like)
    for column, name in enumerate(dataset.action_names):
        of = next((each for each in known if name.startswith(f"{each}=")), None)
        if of is None or of not in _levels(dataset) or name in like.action_names:
            continue
        rows = np.flatnonzero(dataset.actions[..., column].reshape(len(dataset), -1).any(axis=1))
        if rows.size:
            value = name.removeprefix(f"{of}=")
            there = ", ".join(str(each) for each in (known[of] or ())[:10])
            raise DataError(
                f"column {of!r} is {value!r} in row {rows[0]}, a category that {shown(who)} was not trained on; "
                f"it knows {there}"
            )


def _unnamed(dataset: Dataset, like: Known) -> bool:
    """Whether actions go by position: names of one side were made up, or both are plain numbers, as of a process."""
    if not (dataset.actions_named and like.actions_named):
        return True
    plain = all(
        names == default_names("a", len(names)) for names in (dataset.action_names, like.action_names)
    )
    return plain and dataset.roles is None


def _levels(known: Dataset | Known) -> dict[str, Sequence[Any] | None]:
    return {} if known.roles is None else dict(known.roles.categorical)
