"""`Dataset`: the data that a model is trained on, with the ground truth where it is known.

A row is one observation, or a short sequence of them: x^t of the paper at T consecutive steps. An action (the
paper's a) acts on the step that it leads to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.arrays_and_frames import raw_data_of
from estimation.dataset.checks import check_raw_data, require_dimensions, require_known_values
from estimation.dataset.covariates import require_covariate_names
from estimation.dataset.readers.numpy_files import write_npz
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import Roles
from estimation.dataset.reading import ReadingMethods
from estimation.dataset.sizes import Sizes
from estimation.dataset.windows import as_rows, cut_actions, cut_windows, rows_of_parts
from estimation.exceptions import DataError
from identify.graph import CausalGraph
from identify.wording import listed, plural

__all__ = ["Dataset"]

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(ReadingMethods, Sizes):
    """Observations with their actions, and with the ground truth when they are simulated.

    Use `from_arrays` or ``read``, which check everything; the constructor itself checks dimensions and rows only.
    Arrays are shared with the caller, and methods may return views: treat them as read-only.

    Attributes:
        observations: Observations x, shape (N, T, d_x), float32, or float64 where a column varies little around a large
            value, so that float32 would lose it. T is 1 without a past, 2 for pairs, or more.
        actions: Actions a, shape (N, d_a): the action that leads to the last step, and to every step when T > 2. Or
            shape (N, T - 1, d_a) when T > 2: ``actions[:, t]`` acts on the step from t to t + 1. None without actions.
        latents: True latents z, shape (N, T, d_z), or None.
        graph: True graph, or None.
        decoder: True decoder, from z to x without noise, or None. It is not written to files.
        action_names: Names of the d_a actions. An indicator of a category has a name like ``drug=ibuprofen``.
        actions_named: Whether these names were given. If they were generated, actions of other data are matched by
            position.
        observation_names: Names of the d_x columns; empty without names.
        observation_shape: Shape (C, H, W) if a row of d_x numbers is a flattened image, else None.
        name: Name of the data in reports.
        episodes: Shape (N,), the sequence that a row was cut from, or None when rows are independent.
        notes: Remarks for the user, for instance that short episodes were left out.
        roles: Roles of the columns of the table, with their categories; None when the data come from arrays.
        covariates: Covariates, such as a batch, shape (N, d_c), or None. Encoder and decoder get them, latents don't.
        covariate_names: Names of the d_c covariates, like ``batch=b1`` for an indicator of a category.
        covariate_categories: Categories of each categorical covariate; None if they aren't known, so that every name
            like ``batch=b1`` is one.

    Raises:
        DataError: If an array has another number of dimensions, or another number of rows than the observations.
    """

    observations: Array
    actions: Array | None = None
    latents: Array | None = None
    graph: CausalGraph | None = None
    decoder: Callable[..., Any] | None = None
    action_names: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] | None = None
    name: str = ""
    episodes: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    actions_named: bool = True
    observation_names: tuple[str, ...] = ()
    roles: Roles | None = None
    covariates: Array | None = None
    covariate_names: tuple[str, ...] = ()
    covariate_categories: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        require_dimensions(self.observations, self.actions, self.latents, self.episodes, self.covariates)
        require_covariate_names(self.covariates, self.covariate_names)

    @classmethod
    def from_arrays(
        cls,
        observations: ArrayLike,
        actions: ArrayLike | None = None,
        latents: ArrayLike | None = None,
        graph: CausalGraph | None = None,
        decoder: Callable[..., Any] | None = None,
        action_names: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
        name: str = "",
        *,
        episodes: ArrayLike | None = None,
        notes: Sequence[str] = (),
        observation_names: Sequence[str] | None = None,
        covariates: ArrayLike | None = None,
        covariate_names: Sequence[str] | None = None,
        allow_constant: bool = False,
    ) -> Dataset:
        """Return a dataset of arrays, after checking them.

        float32 arrays are shared, not copied, and ``numpy.memmap`` stays on disk. Other numbers become float32, or
        float64 where float32 would merge distinct values of a column. Data frames, and arrays of xarray with text
        along the last dimension, give their names to the columns; a column of text among the actions of a frame
        becomes one action per category.

        Args:
            observations: Shape (N, T, d_x), or (N, d_x), which means T = 1.
            actions: Shape (N, d_a), or (N, T - 1, d_a).
            latents: Shape (N, T, d_z), or (N, d_z) when T = 1.
            graph: True graph.
            decoder: True decoder.
            action_names: Names of the d_a actions; by default those of the graph, else ``a0, a1, ...``.
            observation_shape: Shape (C, H, W) of images given as flattened rows. Pixels may be constant.
            name: Name of the data.
            episodes: Shape (N,), whole numbers; rows of one episode stay together in `split`.
            notes: Remarks for the user.
            observation_names: Names of the d_x columns, by which columns of other data are matched.
            covariates: Shape (N, d_c); a column of text of a data frame becomes one covariate per category.
            covariate_names: Names of the d_c covariates; by default ``c0, c1, ...``.
            allow_constant: Whether columns may be constant.

        Raises:
            DataError: If the shapes don't fit each other, an entry is not finite, a column is constant, or the graph
                has other numbers of latents or actions than the data.

        Example:
            >>> Dataset.from_arrays([[0.0, 1.0], [2.0, 3.0]], actions=[[0], [1]])
            Dataset(2 samples, 1 step, 2 observed, 1 action)
        """
        return cls.from_raw_data(
            raw_data_of(
                observations,
                actions,
                covariates,
                action_names=action_names,
                observation_names=observation_names,
                covariate_names=covariate_names,
                observation_shape=observation_shape,
                notes=notes,
                latents=latents,
                graph=graph,
                decoder=decoder,
                name=name,
                episodes=episodes,
                allow_constant=allow_constant,
            )
        )

    @classmethod
    def from_raw_data(cls, raw: RawData) -> Self:
        """Return a dataset of raw data, after checking them. `from_arrays` and ``read`` end here.

        Raises:
            DataError: If the data are inconsistent, as in `from_arrays`.
        """
        checked = check_raw_data(raw)
        return cls(**{field.name: getattr(checked, field.name) for field in fields(cls)})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the decoder to an NPZ file, atomically: all of it, or the file stays as it was.

        Raises:
            DataError: If the name of the file doesn't end in ``.npz``.
            FileAccessError: If the file can't be written.
        """
        write_npz(path, RawData(**{field.name: getattr(self, field.name) for field in fields(self)}))

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        parts = [
            plural(self.n_samples, "sample"),
            plural(self.n_steps, "step"),
            f"{self.n_observed} observed",
        ]
        parts += [plural(self.n_actions, "action")] if self.n_actions else []
        parts += [plural(self.n_covariates, "covariate")] if self.n_covariates else []
        parts += [] if self.n_latents is None else [plural(self.n_latents, "latent")]
        return f"Dataset({repr(self.name) + ', ' if self.name else ''}{', '.join(parts)})"

    def take(self, indices: ArrayLike | slice) -> Dataset:
        """Return the rows at some positions, in that order; consecutive rows are a view, not a copy.

        Args:
            indices: Positions, a boolean per row, or a slice.

        Raises:
            DataError: If a position is out of range, or no row is selected.

        Example:
            >>> Dataset.from_arrays([[0.0], [1.0], [2.0]]).take([2, 0]).observations.ravel()
            array([2., 0.], dtype=float32)
        """
        rows = as_rows(indices, len(self))
        return replace(
            self,
            observations=self.observations[rows],
            actions=None if self.actions is None else self.actions[rows],
            latents=None if self.latents is None else self.latents[rows],
            episodes=None if self.episodes is None else self.episodes[rows],
            covariates=None if self.covariates is None else self.covariates[rows],
        )

    def split(
        self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0, *, shuffle: bool = True
    ) -> tuple[Dataset, ...]:
        """Split the dataset into parts that share no row, and no episode when rows are cut from episodes.

        Args:
            fractions: Fraction of the rows, or of the episodes, in each part; they sum to 1. Every part gets at
                least one. (One long episode can only be cut in time, with `take`.)
            seed: Seed of the assignment of rows to parts.
            shuffle: False cuts in the order of the rows, or of the episodes' first rows. Parts are views then, so
                that data on disk stay there; with True a part is copied into memory.

        Raises:
            DataError: If a fraction is not positive, they don't sum to 1, or there are fewer rows than parts.

        Example:
            >>> data = Dataset.from_arrays([[float(i)] for i in range(10)])
            >>> [len(part) for part in data.split()]
            [8, 1, 1]
        """
        parts = rows_of_parts(len(self), self.episodes, fractions, seed, shuffle)
        return tuple(self.take(rows) for rows in parts)

    def windows(self, length: int = 2) -> Dataset:
        """Return all windows of ``length`` consecutive steps as rows; the windows of one row stay one episode.

        Args:
            length: Steps per window, 1 to T.

        Returns:
            A dataset of N (T - length + 1) rows. One long row (N = 1) is not copied; several rows are.

        Raises:
            DataError: If the rows are shorter, or the windows have one step and the data have actions (the first
                step of a row has none).

        Example:
            >>> Dataset.from_arrays([[[0.0], [1.0], [2.0]]]).windows(2).observations[:, :, 0]
            array([[0., 1.],
                   [1., 2.]], dtype=float32)
        """
        if not 1 <= length <= self.n_steps:
            raise DataError(f"windows of {length} steps; the rows have {plural(self.n_steps, 'step')}")
        if length == self.n_steps:
            return self
        if length == 1 and self.actions is not None:
            raise DataError(
                "windows of 1 step: the first step of a row has no action; use windows of 2 or more"
            )
        n_windows = self.n_steps - length + 1
        episodes = np.arange(len(self)) if self.episodes is None else self.episodes
        return replace(
            self,
            observations=cut_windows(self.observations, length),
            actions=None if self.actions is None else cut_actions(self.actions, length, n_windows),
            latents=None if self.latents is None else cut_windows(self.latents, length),
            episodes=np.repeat(episodes, n_windows),
            covariates=None if self.covariates is None else np.repeat(self.covariates, n_windows, axis=0),
        )

    def pairs(self) -> Dataset:
        """Return the dataset with at most two steps per row: longer rows are cut into `windows` of two.

        Example:
            >>> Dataset.from_arrays([[[0.0], [1.0], [2.0]]]).pairs().n_steps
            2
        """
        return self.windows(2) if self.n_steps > 2 else self

    def check_actions_seen(self, other: Dataset) -> None:
        """Refuse other data with an action value that doesn't occur here: its effect can't be learned from these data.

        Only discrete columns are checked, those with at most 20 distinct values here.

        Raises:
            DataError: If such a value occurs in ``other``, or its actions differ.
        """
        if self.action_names != other.action_names:
            theirs, ours = (listed(each.action_names) or "none" for each in (other, self))
            raise DataError(f"actions are {theirs}; training had {ours}")
        if self.actions is not None and other.actions is not None:
            require_known_values(self.actions, other.actions, self.action_names)
