"""The sparse columns of G^a and G^z: from the settings, looked up among the actions of the data.

A column is *sparse* if its edges are learned, and count in budget, penalty and unmixing. A column that the settings
exclude is *dense*: all its edges are present, and say nothing about the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from estimation.exceptions import ConfigError
from identify.names import quoted, shown
from identify.wording import listed

if TYPE_CHECKING:
    from identify.graph import CausalGraph

__all__ = ["SparseColumns", "checked_sparse_actions"]

_MAX_LISTED = 20


@dataclass(frozen=True)
class SparseColumns:
    """The columns of a model's graph that are sparse, and those that are dense by its settings.

    Attributes:
        actions: Names of the actions whose columns of G^a are sparse.
        dense_actions: Names of the actions whose columns of G^a are dense.
        past_is_dense: Whether G^z is dense.

    Example:
        >>> from identify.graph import CausalGraph
        >>> columns = SparseColumns.of(["pull"], True, ["push", "pull"])
        >>> columns
        SparseColumns(actions=('pull',), dense_actions=('push',), past_is_dense=False)
        >>> columns.part_of(CausalGraph(Ga=[[1, 0], [1, 1]], actions=["push", "pull"])).edges()
        [('pull', 'z1')]
    """

    actions: tuple[str, ...] = ()
    dense_actions: tuple[str, ...] = ()
    past_is_dense: bool = False

    @classmethod
    def of(
        cls,
        sparse_actions: Sequence[str | int] | None,
        sparse_past: bool,
        action_names: Sequence[str],
        past: bool = False,
    ) -> SparseColumns:
        """Return the columns that settings name.

        Args:
            sparse_actions: The setting ``sparse_actions``.
            sparse_past: The setting ``sparse_past``.
            action_names: Names of the actions of the data, in order.
            past: Whether the data have a past.

        Raises:
            ConfigError: If the data have no such action, or one action is given by its name and by its position.
        """
        columns = _positions(sparse_actions, action_names)
        sparse, dense = (
            tuple(name for k, name in enumerate(action_names) if (k in columns) == wanted)
            for wanted in (True, False)
        )
        return cls(sparse, dense, past and not sparse_past)

    @property
    def complete(self) -> bool:
        """Whether every column is sparse."""
        return not self.dense_actions and not self.past_is_dense

    def part_of(self, graph: CausalGraph) -> CausalGraph:
        """Return a graph without the edges in dense columns.

        Args:
            graph: A graph with these actions, for instance the true or the learned one. Its actions keep their order.
        """
        if self.complete:
            return graph
        from identify.graph import CausalGraph

        Ga = graph.Ga.toarray()
        Ga[:, [name in self.dense_actions for name in graph.actions]] = False
        Gz = None if self.past_is_dense else graph.Gz
        return CausalGraph(Gz=Gz, Ga=Ga, latents=graph.latents, actions=graph.actions)

    def positions(self, action_names: Sequence[str]) -> tuple[int, ...]:
        """Return the positions of the sparse columns of G^a."""
        return tuple(k for k, name in enumerate(action_names) if name in self.actions)

    def masks(self, action_names: Sequence[str]) -> dict[str, list[bool]]:
        """Return whether each column is sparse, by ``"actions"`` and ``"past"``, for masks that have dense columns."""
        masks: dict[str, list[bool]] = {}
        if self.dense_actions:
            masks["actions"] = [name in self.actions for name in action_names]
        if self.past_is_dense:
            masks["past"] = []
        return masks

    def __str__(self) -> str:
        names = [listed(self.dense_actions)] * bool(self.dense_actions) + ["all of G^z"] * self.past_is_dense
        return f"dense columns: {', '.join(names) or 'none'}"

    def notes(self) -> list[str]:
        """Return a sentence on the dense columns of each matrix that has some.

        Example:
            >>> SparseColumns(("push",), ("pull",)).notes()
            ['the column of G^a of pull is dense: all its edges are present, none is learned or counted']
        """
        notes = []
        if self.dense_actions:
            one = len(self.dense_actions) == 1
            subject = "the column" if one else "the columns"
            verb, theirs = ("is", "its") if one else ("are", "their")
            notes.append(
                f"{subject} of G^a of {listed(self.dense_actions, _MAX_LISTED)} {verb} dense: all {theirs} edges are "
                "present, none is learned or counted"
            )
        if self.past_is_dense:
            notes.append("G^z is dense: all its edges are present, none is learned or counted")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as a dictionary that JSON can hold."""
        return {
            "sparse_actions": list(self.actions),
            "dense_actions": list(self.dense_actions),
            "past_is_dense": self.past_is_dense,
        }


def checked_sparse_actions(value: Any) -> tuple[str | int, ...] | None:
    """Return the setting ``sparse_actions`` as a tuple of names and positions, or None for all actions.

    Args:
        value: A list, tuple or array of names (text) or positions (whole numbers from 0), or None.

    Raises:
        ConfigError: If the value is no list, or an entry is neither a name nor a position, or occurs twice.

    Example:
        >>> checked_sparse_actions(["push", 2])
        ('push', 2)
    """
    if value is None:
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(
            f"sparse_actions is {quoted(value)}; it must be a list of names or positions of actions, "
            'for instance ["a0", "a2"] or [0, 2]'
        )
    entries: list[str | int] = []
    for entry in value:
        is_position = not isinstance(entry, bool) and isinstance(entry, Integral) and int(entry) >= 0
        if not is_position and not isinstance(entry, str):
            raise ConfigError(
                f"sparse_actions holds {quoted(entry)}; an entry is the name of an action, or its position from 0"
            )
        checked = str(entry) if isinstance(entry, str) else int(entry)
        if checked in entries:
            raise ConfigError(f"sparse_actions holds {quoted(entry)} twice; name each action once")
        entries.append(checked)
    return tuple(entries)


def _positions(sparse_actions: Sequence[str | int] | None, action_names: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of the actions that the setting names, in increasing order."""
    if sparse_actions is None:
        return tuple(range(len(action_names)))
    there_are = f"there are {listed(action_names, _MAX_LISTED) or 'none'}"
    columns: list[int] = []
    for entry in sparse_actions:
        if isinstance(entry, str):
            if entry not in action_names:
                raise ConfigError(f"sparse_actions names {shown(entry)}, which is no action; {there_are}")
            column = list(action_names).index(entry)
        elif entry >= len(action_names):
            raise ConfigError(
                f"sparse_actions holds position {shown(entry)}, counted from 0, of {len(action_names)} actions; "
                f"{there_are}"
            )
        else:
            column = entry
        if column in columns:
            raise ConfigError(
                f"sparse_actions holds {shown(action_names[column])} twice, by its name and by its position; keep one"
            )
        columns.append(column)
    return tuple(sorted(columns))
