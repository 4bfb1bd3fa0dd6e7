"""The stored state of an optimiser, checked before it is loaded: torch itself checks little of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from estimation.config.settings import MOST_STEPS
from estimation.exceptions import CheckpointError
from estimation.storage.schema import Anything, Fields, Many, Real, Table, Whole, check
from estimation.training.soap import SOAP, basis_sizes, stacked_shape
from identify.names import shown

__all__ = ["require_state"]

# the type depends on torch's default when the optimiser was built
_STEP_TYPES = (torch.float32, torch.float64)
# entries that change from step to step; all others are constants of the optimiser
_CHANGING = {"lr": Real(0, 1e6), "done": Whole(0, MOST_STEPS)}


def require_state(state: Any, optimiser: torch.optim.Optimizer, where: str) -> None:
    """Check a stored state against the optimiser that will load it.

    Args:
        state: Nested dicts, lists, numbers and tensors.
        optimiser: SOAP or Adam, before its first step.
        where: Name of the state in error messages.

    Raises:
        CheckpointError: If the state does not belong to such an optimiser; the message names the entry.
    """
    schema = Fields({"state": Table(Fields({})), "param_groups": Many(Fields({}), length=1)}, closed=True)
    check(state, schema, where)
    _require_group(state["param_groups"][0], optimiser, f"{where}.param_groups[0]")
    parameters = optimiser.param_groups[0]["params"]
    assigned: set[int] = set()
    for key, entries in state["state"].items():
        place = f"{where}.state[{shown(key)}]"
        check(key, Whole(0, len(parameters) - 1), f"a key of {where}.state")
        if isinstance(optimiser, SOAP):
            assigned = _require_soap(entries, key, parameters, assigned, place)
        else:
            _require_adam(entries, parameters[key], place)
    if state["state"] and state["param_groups"][0].get("done", 1) == 0:
        raise CheckpointError(f"{where}.param_groups[0].done is 0, and there are moments")


def _require_group(group: dict[str, Any], optimiser: torch.optim.Optimizer, where: str) -> None:
    expected = optimiser.state_dict()["param_groups"][0]
    check(group, Fields(dict.fromkeys(expected, Anything())), where)
    for name, value in expected.items():
        if name in _CHANGING:
            check(group[name], _CHANGING[name], f"{where}.{name}")
        # tuples come back as lists
        elif group[name] != (list(value) if isinstance(value, tuple) else value):
            raise CheckpointError(f"{where}.{name} is {shown(group[name])}, not {shown(value)}")


def _require_adam(entries: dict[str, Any], parameter: Tensor, where: str) -> None:
    _require_tensors(
        entries, {name: tuple(parameter.shape) for name in ("exp_avg", "exp_avg_sq")}, parameter, where
    )
    step = entries.get("step")
    if (
        not isinstance(step, Tensor)
        or step.shape != ()
        or step.dtype not in _STEP_TYPES
        or not 0 <= float(step) <= MOST_STEPS
    ):
        raise CheckpointError(f"{where}.step is {shown(step)}; it must be a number of steps")


def _require_soap(
    entries: dict[str, Any], key: int, parameters: list[Tensor], assigned: set[int], where: str
) -> set[int]:
    check(entries, Fields({"members": Many(Whole(0, len(parameters) - 1), distinct=True)}), where)
    members = entries["members"]
    shapes = {stacked_shape(parameters[k]) for k in members}
    if not members or members[0] != key or len(shapes) != 1 or assigned & set(members):
        raise CheckpointError(f"{where}.members is {shown(members)}, which are not parameters of one shape")
    (shape,) = shapes
    count = sum(parameters[k].numel() for k in members) // math.prod(shape)
    expected = dict.fromkeys(("first", "second"), (count, *shape))
    # the state of an earlier version may have bases of longer sides
    stored = {side: size for side, size in zip(("left", "right"), shape, strict=False) if side in entries}
    for side, size in (stored | basis_sizes(shape)).items():
        expected |= {side: (count, size, size), f"{side}_basis": (count, size, size)}
    _require_tensors(entries, expected, parameters[key], where)
    return assigned | set(members)


def _require_tensors(
    entries: dict[str, Any], shapes: Mapping[str, tuple[int, ...]], like: Tensor, where: str
) -> None:
    for name, shape in shapes.items():
        tensor = entries.get(name)
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape or tensor.dtype != like.dtype:
            raise CheckpointError(f"{where}.{name} is not a tensor of shape {shape} and {like.dtype}")
