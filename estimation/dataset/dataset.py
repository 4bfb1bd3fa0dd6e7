"""`Dataset`: what a model is trained on, and what is known of the truth behind it.

A row is one observation, or a short sequence of them: x^t of the paper at T consecutive steps. An action (the
paper's a) acts on the step that it leads to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimation.dataset.checks import checked, require_seen
from estimation.dataset.readers import read_parts
from estimation.dataset.readers.frames import frame_actions, frame_names, is_frame
from estimation.dataset.readers.numpy_files import write_npz
from estimation.dataset.readers.raw_data import Parts, shown_path
from estimation.dataset.readers.roles import HasRoles, Roles, roles_in, roles_of_frames
from estimation.dataset.windows import as_rows, cut, cut_actions, shares
from estimation.exceptions import DataError
from identify.graph import CausalGraph
from identify.wording import listed

__all__ = ["Dataset"]

Array = NDArray[np.floating]
Names = str | Sequence[str]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Observations with their actions; with the truth behind them when they are simulated.

    Make one with `from_arrays` or `read`, which check everything; the constructor itself checks nothing.
    Arrays are shared with whoever gave them, and methods may return views: treat them as read-only.

    Attributes:
        observations: x, shape (N, T, d_x), float32, or float64 where a column varies little around a large value,
            so that float32 would lose it. T is 1 without a past, 2 for pairs, or more.
        actions: a, shape (N, d_a): the action that leads to the last step, and to every step when T > 2. Or shape
            (N, T - 1, d_a) when T > 2: ``actions[:, t]`` acts on the step from t to t + 1. None without actions.
        latents: the true z, shape (N, T, d_z), or None.
        graph: the true graph, or None.
        decoder: the true decoder, from z to x without noise, or None. It is not written to files.
        action_names: d_a names; a column of a categorical action is called like ``drug=ibuprofen``.
        actions_named: whether these names were given; when they were made up, actions of other data go by position.
        observation_names: d_x names; empty when the columns have none.
        observation_shape: (C, H, W) when a row of d_x numbers is a flattened image, else None.
        name: what to call the data in reports.
        episodes: shape (N,), the sequence that a row was cut from, or None when rows are independent.
        notes: what a person should know, for instance that short episodes were skipped.
        roles: which columns of a table these were, with the values of categories; None when they come from arrays.
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
        allow_constant: bool = False,
    ) -> Dataset:
        """Check arrays and make a dataset of them.

        float32 arrays are shared, not copied, and ``numpy.memmap`` stays on disk. Other numbers become float32, or
        float64 where float32 would not tell the values of a column apart. Data frames bring their names along; a column
        of text among the actions becomes one action per value.

        Args:
            observations: shape (N, T, d_x), or (N, d_x), which is taken as T = 1.
            actions: shape (N, d_a), or (N, T - 1, d_a).
            latents: shape (N, T, d_z), or (N, d_z) when T = 1.
            graph: the true graph.
            decoder: the true decoder.
            action_names: d_a names; those of the graph, else ``a0, a1, ...``, when left out.
            observation_shape: (C, H, W) of images given as flattened rows. Pixels may be constant.
            name: what to call the data.
            episodes: shape (N,), whole numbers; rows of one episode stay together in `split`.
            notes: what a person should know about the data.
            observation_names: d_x names, by which columns of other data are found again.
            allow_constant: accept columns that never change.

        Raises:
            DataError: shapes don't fit each other, an entry is not finite, a column is constant, or the graph has
                other numbers of latents or actions than the data.

        Example:
            >>> Dataset.from_arrays([[0.0, 1.0], [2.0, 3.0]], actions=[[0], [1]])
            Dataset(2 samples, 1 step, 2 observed, 1 action)
        """
        if decoder is not None and not callable(decoder):
            raise DataError(f"decoder is {type(decoder).__name__}; it must be a function or a torch module")
        called: tuple[str, ...] | None = None
        levels: dict[str, tuple[str, ...]] = {}
        if is_frame(observations):
            observation_names = observation_names or frame_names(observations, "observations")
        if is_frame(actions):
            actions, called, levels = frame_actions(actions, "actions")
        parts = Parts(
            observations,
            actions=actions,
            latents=latents,
            graph=graph,
            action_names=called if action_names is None else tuple(action_names),
            observation_shape=None if observation_shape is None else tuple(observation_shape),
            name=name,
            episodes=episodes,
            notes=tuple(notes),
            observation_names=tuple(observation_names or ()),
            roles=roles_of_frames(observation_names, called, levels) if levels else None,
        )
        return cls._from_parts(parts, allow_constant, decoder)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        observations: Names | None = None,
        actions: Names | None = None,
        categorical: Names | Mapping[str, Sequence[Any]] = (),
        episode: str | None = None,
        time: str | None = None,
        latents: Names | None = None,
        window: int = 2,
        images: str | None = None,
        memory_map: bool = False,
        like: HasRoles | None = None,
        allow_constant: bool = False,
    ) -> Dataset:
        """Read a dataset; the suffix tells how. Nothing in a file is ever executed.

        ``estimation.dataset.readers.read_parts`` says what each option does for each kind of file.

        Args:
            path: an NPZ, NPY, CSV or Parquet file, or a folder of images with a table.
            observations: which columns, arrays or files are observed.
            actions: which are actions.
            categorical: which action columns become one column per value.
            episode: the column that tells sequences apart.
            time: the column that orders the rows of an episode.
            latents: which hold the true latents.
            window: steps per row of the dataset, when the rows of the table are a sequence.
            images: the column of file names of images.
            memory_map: leave an NPY file on disk.
            like: a dataset or a trained model. Columns of a table that aren't named play the parts that they played
                there, with the same categories, and a column may be constant.
            allow_constant: accept columns that never change.

        Raises:
            DataError: the content isn't what it should be; one line with the file and the place.
            FileAccessError: a file can't be read.
        """
        parts = read_parts(
            path,
            observations=observations,
            actions=actions,
            categorical=categorical,
            episode=episode,
            time=time,
            latents=latents,
            window=window,
            images=images,
            memory_map=memory_map,
            like=None if like is None else roles_in(like),
        )
        try:
            return cls._from_parts(parts, allow_constant or like is not None)
        except DataError as error:
            raise DataError(f"{shown_path(path)}: {error}") from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write everything but the decoder to an NPZ file: all of it, or what was there before.

        Raises:
            DataError: the file's name doesn't end in ``.npz``.
            FileAccessError: the file can't be written.
        """
        own = {field.name: getattr(self, field.name) for field in fields(Parts) if field.name != "checked"}
        write_npz(path, Parts(**own))

    @property
    def n_samples(self) -> int:
        """N, the number of rows."""
        return int(self.observations.shape[0])

    @property
    def n_steps(self) -> int:
        """T, the steps per row."""
        return int(self.observations.shape[1])

    @property
    def n_observed(self) -> int:
        """d_x, the numbers observed at each step."""
        return int(self.observations.shape[2])

    @property
    def n_actions(self) -> int:
        """d_a, the columns of the actions; 0 without actions."""
        return 0 if self.actions is None else int(self.actions.shape[-1])

    @property
    def n_latents(self) -> int | None:
        """d_z, the number of true latents, or None when it isn't known."""
        if self.latents is not None:
            return int(self.latents.shape[2])
        return None if self.graph is None else self.graph.n_latents

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        parts = [
            _count(self.n_samples, "sample"),
            _count(self.n_steps, "step"),
            f"{self.n_observed} observed",
        ]
        parts += [_count(self.n_actions, "action")] if self.n_actions else []
        parts += [] if self.n_latents is None else [_count(self.n_latents, "latent")]
        return f"Dataset({repr(self.name) + ', ' if self.name else ''}{', '.join(parts)})"

    def take(self, indices: ArrayLike | slice) -> Dataset:
        """The rows at these positions, in that order; a run of consecutive rows is a view, not a copy.

        Args:
            indices: positions, a boolean per row, or a slice.

        Raises:
            DataError: a position is out of range, or no row is left.

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
        )

    def split(
        self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0, *, shuffle: bool = True
    ) -> tuple[Dataset, ...]:
        """Parts that share no row, and no episode when rows are cut from episodes.

        Args:
            fractions: the share of each part, of the rows or of the episodes; they sum to 1. Every part gets at
                least one. (One long episode can only be cut in time, with `take`.)
            seed: which rows go where.
            shuffle: False cuts in the order of the rows, or of the episodes' first rows. Parts are views then, so
                that data on disk stay there; with True a part is copied into memory.

        Raises:
            DataError: a fraction is not above 0, they don't sum to 1, or there is too little to share out.

        Example:
            >>> data = Dataset.from_arrays([[float(i)] for i in range(10)])
            >>> [len(part) for part in data.split()]
            [8, 1, 1]
        """
        unit, of_row = np.arange(len(self)), np.arange(len(self))
        if self.episodes is not None:
            _, first, inverse = np.unique(self.episodes, return_index=True, return_inverse=True)
            unit, of_row = np.argsort(first), inverse
        counts = shares(fractions, len(unit), "rows" if self.episodes is None else "episodes")
        if shuffle:
            unit = np.random.default_rng(seed).permutation(unit)
        part_of_unit = np.empty(len(unit), dtype=np.int64)
        part_of_unit[unit] = np.repeat(np.arange(len(counts)), counts)
        part_of_row = part_of_unit[of_row]
        return tuple(self.take(np.flatnonzero(part_of_row == k)) for k in range(len(counts)))

    def windows(self, length: int = 2) -> Dataset:
        """All stretches of ``length`` consecutive steps, as rows; those of one row stay one episode.

        Args:
            length: steps per window, 1 to T.

        Returns:
            N (T - length + 1) rows. One long row (N = 1) is not copied; several are.

        Raises:
            DataError: the rows are shorter, or windows of one step are asked of data with actions (the first
                step of a row has none).

        Example:
            >>> Dataset.from_arrays([[[0.0], [1.0], [2.0]]]).windows(2).observations[:, :, 0]
            array([[0., 1.],
                   [1., 2.]], dtype=float32)
        """
        if not 1 <= length <= self.n_steps:
            raise DataError(f"windows of {length} steps; the rows have {_count(self.n_steps, 'step')}")
        if length == self.n_steps:
            return self
        if length == 1 and self.actions is not None:
            raise DataError("windows of 1 step: the first step of a row has no action; ask for 2 or more")
        n_windows = self.n_steps - length + 1
        episodes = np.arange(len(self)) if self.episodes is None else self.episodes
        return replace(
            self,
            observations=cut(self.observations, length),
            actions=None if self.actions is None else cut_actions(self.actions, length, n_windows),
            latents=None if self.latents is None else cut(self.latents, length),
            episodes=np.repeat(episodes, n_windows),
        )

    def pairs(self) -> Dataset:
        """The same with at most two steps a row: longer rows are cut into `windows` of two.

        Example:
            >>> Dataset.from_arrays([[[0.0], [1.0], [2.0]]]).pairs().n_steps
            2
        """
        return self.windows(2) if self.n_steps > 2 else self

    def check_actions_seen(self, other: Dataset) -> None:
        """Refuse data with an action value that these data never show: no model can know its effect.

        Only discrete columns count, those with at most 20 different values here.

        Raises:
            DataError: such a value occurs in ``other``, or it has other actions than these data.
        """
        if self.action_names != other.action_names:
            raise DataError(f"actions are {_named(other)}; training had {_named(self)}")
        if self.actions is not None and other.actions is not None:
            require_seen(self.actions, other.actions, self.action_names)

    @classmethod
    def _from_parts(
        cls, parts: Parts, allow_constant: bool, decoder: Callable[..., Any] | None = None
    ) -> Dataset:
        right = checked(parts, allow_constant or parts.checked)
        own = {field.name: getattr(right, field.name) for field in fields(Parts) if field.name != "checked"}
        return cls(**own, decoder=decoder)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(dataset: Dataset) -> str:
    return listed(list(dataset.action_names)) or "none"
