"""Settings of the actions that a page compares: the control, every action alone, and pairs of actions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.prediction.seen_actions import SeenAction, SeenActions
from estimation.trained import TrainedModel

__all__ = ["Settings", "applied_value", "control_setting", "setting_name", "settings_of"]

Array = NDArray[np.float64]

# categories that stand for no treatment, of which the first that occurs is the control
_CONTROLS = (
    "control",
    "ctrl",
    "none",
    "vehicle",
    "dmso",
    "untreated",
    "non-targeting",
    "wildtype",
    "wt",
    "0",
)


@dataclass(frozen=True, eq=False)
class Settings:
    """Settings of all actions.

    Attributes:
        applied: Positions of the applied actions of each setting: none, one or two.
        values: Values of all actions, shape (settings, m), in the user's units.
        names: Name of each setting, such as ``"drug A = 2 + heat"``.
        n_left_out: Number of pairs that are left out.
    """

    applied: tuple[tuple[int, ...], ...]
    values: Array
    names: tuple[str, ...]
    n_left_out: int = 0


def applied_value(action: SeenAction) -> float:
    """Return the value that stands for an applied action: the seen value that differs most from the reference.

    Of a continuous action, the value halfway from the reference to the end of its range that is further away, or to its
    largest value.

    Example:
        >>> applied_value(SeenAction.of(np.array([0.0, 1.0, 5.0]))), applied_value(SeenAction.of(np.arange(101.0)))
        (5.0, 50.0)
    """
    if action.values is not None:
        return max(action.values, key=lambda value: abs(value - action.reference))
    end = max((action.high, action.low), key=lambda value: abs(value - action.reference))
    return action.reference + (end - action.reference) / 2


def setting_name(names: Sequence[str], seen: SeenActions, values: Array, applied: Sequence[int]) -> str:
    """Return the name of a setting: its applied actions, with the values of those that aren't just on or off.

    Args:
        names: Names of the m actions.
        seen: Actions of the training data.
        values: Values of all actions, shape (m,).
        applied: Positions of the applied actions.
    """
    if not applied:
        return "no action"
    return " + ".join(
        names[k] if is_switch(seen.actions[k]) else f"{names[k]} = {values[k]:.3g}" for k in applied
    )


def is_switch(action: SeenAction) -> bool:
    """Return whether an action was seen at 0 and 1 only, so that its name alone says that it is on."""
    return action.values is not None and set(action.values) <= {0.0, 1.0}


def control_setting(model: TrainedModel, seen: SeenActions) -> tuple[Array, tuple[str, ...]]:
    """Return the setting that others are compared with, shape (m,), and the categories that it holds.

    All actions are at their reference. Of a column of categories one must hold: one that is called control, none or
    the like, or else the first.

    Args:
        model: The trained model.
        seen: Actions of its training data.
    """
    values, held = seen.reference.copy(), []
    for positions in _categories(model).values():
        categories = [model.action_names[k].partition("=")[2].casefold() for k in positions]
        named = (categories.index(name) for name in _CONTROLS if name in categories)
        control = positions[next(named, 0)]
        values[positions] = 0
        values[control] = 1
        held.append(model.action_names[control])
    return values, tuple(held)


def settings_of(
    model: TrainedModel, seen: SeenActions, actions: Sequence[int], pairs_of: Sequence[int], max_pairs: int
) -> Settings:
    """Return the control, single actions, and pairs of actions.

    Args:
        model: The trained model.
        seen: Actions of its training data.
        actions: Positions of the actions that are applied alone.
        pairs_of: Positions of the actions that are applied in pairs.
        max_pairs: Number of pairs that are kept; the first ones.
    """
    control, held = control_setting(model, seen)
    group = {k: column for column, positions in _categories(model).items() for k in positions}
    alone = [(k,) for k in actions if model.action_names[k] not in held]
    pairs = [
        pair
        for pair in itertools.combinations([k for k in pairs_of if model.action_names[k] not in held], 2)
        # two categories of one column exclude each other
        if pair[0] not in group or group[pair[0]] != group.get(pair[1])
    ]
    applied: list[tuple[int, ...]] = [(), *alone, *pairs[:max_pairs]]
    values = np.repeat(control[np.newaxis], len(applied), axis=0)
    for row, positions in zip(values, applied, strict=True):
        for k in positions:
            if k in group:
                row[_categories(model)[group[k]]] = 0
            row[k] = applied_value(seen.actions[k])
    names = [setting_name(model.action_names, seen, row, k) for row, k in zip(values, applied, strict=True)]
    names[0] = " + ".join(held) or "no action"
    return Settings(tuple(applied), values, tuple(names), max(0, len(pairs) - max_pairs))


def _categories(model: TrainedModel) -> Mapping[str, list[int]]:
    """Return the positions of the indicators of each column of categories."""
    columns = {} if model.roles is None else model.roles.categorical
    positions = {
        column: [k for k, name in enumerate(model.action_names) if name.startswith(f"{column}=")]
        for column in dict(columns)
    }
    return {column: group for column, group in positions.items() if group}
