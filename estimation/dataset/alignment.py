"""Alignment of data with a model: the columns that the model was trained on, in their order, matched by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.covariates import aligned_covariates
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.column_matching import ABSENT, match_actions, match_columns, quoted_names
from estimation.dataset.readers.roles import HasRoles
from estimation.exceptions import DataError
from identify.graph import CausalGraph
from identify.names import default_names, shown

__all__ = ["HasColumns", "align", "align_observed", "shared_columns", "with_actions_of"]

Indices = NDArray[np.intp]


class HasColumns(HasRoles, Protocol):
    """A dataset or a trained model, with its columns."""

    @property
    def observation_shape(self) -> tuple[int, ...] | None:
        """Shape (C, H, W) of images, or None."""

    @property
    def n_observed(self) -> int:
        """Number of observed dimensions d_x."""


def align(dataset: Dataset, like: HasColumns, label: str = "the model") -> Dataset:
    """Return a dataset with the columns of the training data, in their order.

    Columns are matched by name, in any order. Further columns are left out, and none may be missing. If either side
    has no names, columns are matched by position, and their numbers must be equal. The action of a category that
    doesn't occur in the dataset is zero.

    Args:
        dataset: Data to align.
        like: The training data, or the model trained on them.
        label: Name of ``like`` in error messages.

    Returns:
        The aligned dataset; the dataset itself if it is aligned already.

    Raises:
        DataError: If a column is missing, the numbers of columns differ, or a category is unknown to the model.

    Example:
        >>> rows = [[0.0, 1.0], [2.0, 3.0]]
        >>> training = Dataset.from_arrays(rows, observation_names=["height", "weight"])
        >>> align(Dataset.from_arrays(rows, observation_names=["weight", "height"]), training).observations[0]
        array([[1., 0.]], dtype=float32)
    """
    dataset = align_observed(dataset, like, label)
    positions = match_actions(
        dataset.action_names,
        like.action_names,
        _categories(dataset),
        _categories(like),
        _has_default_names(dataset, like),
        label,
    )
    if positions is None:
        # matched by position, or identical
        same = dataset.action_names == like.action_names
        return dataset if same else replace(dataset, action_names=like.action_names)
    _require_known_categories(dataset, like, label)
    return _with_actions(dataset, positions, like.action_names)


def align_observed(dataset: Dataset, like: HasColumns, label: str = "the model") -> Dataset:
    """Return a dataset with the observed columns and covariates of the training data; its actions stay as they are.

    Args:
        dataset: Data to align.
        like: The training data, or the model trained on them.
        label: Name of ``like`` in error messages.

    Raises:
        DataError: If an observed column is missing, or the numbers of columns differ.
    """
    if dataset.covariate_names != like.covariate_names:
        c = aligned_covariates(
            dataset.covariates,
            dataset.covariate_names,
            like.covariate_names,
            label,
            like.covariate_categories,
        )
        dataset = replace(
            dataset,
            covariates=c,
            covariate_names=like.covariate_names,
            covariate_categories=like.covariate_categories,
        )
    positions = match_columns(
        dataset.observation_names, dataset.n_observed, like.observation_names, like.n_observed, label
    )
    if positions is None:
        return dataset
    decoder = dataset.decoder
    return replace(
        dataset,
        observations=dataset.observations[..., positions],
        observation_names=like.observation_names,
        observation_shape=like.observation_shape,
        decoder=None if decoder is None else _select_outputs(decoder, positions),
    )


def shared_columns(model: HasColumns, other: HasColumns) -> list[int] | None:
    """Return the positions of the other model's observed columns among those of a model; None when they are the same.

    Raises:
        DataError: If the other model was trained on a column that the model doesn't have.
    """
    positions = match_columns(
        model.observation_names,
        model.n_observed,
        other.observation_names,
        other.n_observed,
        "the other model",
    )
    return None if positions is None else positions.tolist()


def with_actions_of(graph: CausalGraph, other: CausalGraph, label: str) -> CausalGraph:
    """Return a learned graph with its actions in the order of another graph, so that the two can be compared.

    Args:
        graph: Learned graph.
        other: Graph whose order of actions to use.
        label: Name of the model of ``graph`` in error messages.

    Raises:
        DataError: If the graphs have different actions.

    Example:
        >>> graph = CausalGraph(Ga=[[1, 0], [0, 0]], actions=["push", "pull"])
        >>> with_actions_of(graph, CausalGraph(Ga=[[1, 1]], actions=["pull", "push"]), "b").edges()
        [('push', 'z0')]
    """
    if graph.actions == other.actions:
        return graph
    if set(graph.actions) != set(other.actions):
        unshared = [
            name
            for name in (*other.actions, *graph.actions)
            if (name in graph.actions) != (name in other.actions)
        ]
        raise DataError(
            f"{shown(label)} was trained on other actions: {quoted_names(unshared, '')} on one side only"
        )
    order = np.array([graph.actions.index(name) for name in other.actions], dtype=np.intp)
    return CausalGraph(
        Gz=graph.Gz, Ga=graph.Ga.toarray()[:, order], latents=graph.latents, actions=other.actions
    )


def _with_actions(dataset: Dataset, positions: Indices, names: tuple[str, ...]) -> Dataset:
    assert dataset.actions is not None
    actions = dataset.actions[..., positions]
    actions[..., positions == ABSENT] = 0
    graph = dataset.graph
    if graph is not None:
        targets = graph.Ga.toarray()[:, positions]
        targets[:, positions == ABSENT] = False
        graph = CausalGraph(Gz=graph.Gz, Ga=targets, latents=graph.latents, actions=names)
    return replace(dataset, actions=actions, action_names=names, graph=graph)


def _select_outputs(decoder: Callable[..., Any], positions: Indices) -> Callable[..., Any]:
    """Return a decoder that computes some of the observed columns only."""
    from torch import nn

    columns = positions.tolist()

    class SelectedOutputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(self, latents: Any) -> Any:
            return self.decoder(latents)[..., columns]

    return SelectedOutputs()


def _require_known_categories(dataset: Dataset, like: HasColumns, label: str) -> None:
    assert dataset.actions is not None
    known = _categories(like)
    for position, name in enumerate(dataset.action_names):
        column = next((column for column in known if name.startswith(f"{column}=")), None)
        if column is None or column not in _categories(dataset) or name in like.action_names:
            continue
        rows = np.flatnonzero(dataset.actions[..., position].reshape(len(dataset), -1).any(axis=1))
        if rows.size:
            value = name.removeprefix(f"{column}=")
            known_values = ", ".join(str(category) for category in (known[column] or ())[:10])
            raise DataError(
                f"column {column!r} is {value!r} in row {rows[0]}, a category that {shown(label)} was not trained on; "
                f"its categories are {known_values}"
            )


def _has_default_names(dataset: Dataset, like: HasColumns) -> bool:
    """Return whether actions are matched by position.

    They are if the names of one side were generated, or both sides number their actions, as simulated data do.
    """
    if not (dataset.actions_named and like.actions_named):
        return True
    numbered = all(
        names == default_names("a", len(names)) for names in (dataset.action_names, like.action_names)
    )
    return numbered and dataset.roles is None


def _categories(like: HasRoles) -> dict[str, Sequence[Any] | None]:
    return {} if like.roles is None else dict(like.roles.categorical)
