"""Actions of simulated samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import ConfigError
from identify.names import quoted

__all__ = ["ActionChoice", "sample_actions"]

Array = NDArray[np.float64]
ActionChoice = Literal["uniform", "normal", "interventions"] | Callable[[int, np.random.Generator], Array]


def sample_actions(
    choice: ActionChoice,
    n_rows: int,
    names: Sequence[str],
    generator: np.random.Generator,
    action_values: dict[str, Array] | None = None,
) -> Array:
    """Sample actions.

    Args:
        choice: ``"uniform"``, ``"normal"``, ``"interventions"``, or a function of (n_rows, generator); see
            `estimation.simulate.simulate`.
        n_rows: Number of rows.
        names: Names of the m actions.
        generator: Random generator.
        action_values: The values of actions with finitely many values, by name; all other actions are continuous.

    Returns:
        Actions, shape (n_rows, m).

    Raises:
        ConfigError: If the choice is unknown, does not fit the values of the actions, or the function returns another
            shape or other values.

    Example:
        >>> actions = sample_actions("uniform", 100, ["a"], np.random.default_rng(0), {"a": np.array([0.0, 5.0])})
        >>> sorted(set(actions[:, 0].tolist()))
        [0.0, 5.0]
    """
    action_values = action_values or {}
    m = len(names)
    if choice == "uniform":
        actions = generator.uniform(-2, 2, (n_rows, m))
        for k, name in enumerate(names):
            if name in action_values:
                actions[:, k] = generator.choice(action_values[name], n_rows)
    elif choice == "normal":
        for name, values in action_values.items():
            raise ConfigError(
                f"actions are 'normal', but {quoted(name)} takes only the values {_listed(values)}; give 'uniform' "
                "or a function"
            )
        actions = generator.normal(size=(n_rows, m))
    elif choice == "interventions":
        for name, values in action_values.items():
            if not np.isin([0, 1], values).all():
                raise ConfigError(
                    f"interventions have the values 0 and 1, but {quoted(name)} takes the values {_listed(values)}; "
                    "give 'uniform' or a function"
                )
        actions = np.eye(m + 1)[generator.integers(0, m + 1, n_rows)][:, 1:]
    elif callable(choice):
        actions = np.asarray(choice(n_rows, generator), dtype=float)
        if actions.shape != (n_rows, m):
            raise ConfigError(
                f"the sampled actions have shape {actions.shape}; this graph needs {(n_rows, m)}"
            )
        _require_values(actions, names, action_values)
    else:
        raise ConfigError(f"actions are {choice!r}; give 'uniform', 'normal', 'interventions' or a function")
    return actions


def _require_values(actions: Array, names: Sequence[str], action_values: dict[str, Array]) -> None:
    for k, name in enumerate(names):
        if name not in action_values:
            continue
        wrong = actions[~np.isin(actions[:, k], action_values[name]), k]
        if len(wrong):
            raise ConfigError(
                f"the sampled actions contain {wrong[0]:.6g} for {quoted(name)}, which takes the values "
                f"{_listed(action_values[name])}"
            )


def _listed(values: Array) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
