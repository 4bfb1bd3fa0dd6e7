"""The state of an unfinished run: written so that going on from it changes no number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from estimation.exceptions import CheckpointError
from estimation.history import History
from estimation.settings import Settings
from estimation.storage import flatten, read_folder, restore, write_folder
from estimation.trained import load_state

__all__ = ["State", "read", "restore_into", "write"]

_KIND = "mechsparse training state"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class State:
    """Where a run stands, beside the tensors.

    Attributes:
        step: steps done.
        seconds: time spent.
        history: so far.
        stale: looks at the held-out data without improvement.
        content: the description read, None when the state is about to be written.
        tensors: those read.
    """

    step: int
    seconds: float
    history: History
    stale: int
    content: dict[str, Any] | None = None
    tensors: dict[str, torch.Tensor] | None = None


def write(
    folder: Path,
    config: Settings,
    state: State,
    model: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    constraints: nn.Module,
) -> None:
    """Write the state of a run, in place of an earlier one.

    Raises:
        FileAccessError: it can't be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"constraints.{name}": tensor for name, tensor in constraints.state_dict().items()}
    content = {
        "config": config.to_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "history": state.history.to_dict(),
        "stale": state.stale,
        "optimisers": [
            flatten(optimiser.state_dict(), tensors, f"optimisers.{k}")
            for k, optimiser in enumerate(optimisers)
        ],
    }
    write_folder(folder, _KIND, content, tensors)


def read(folder: Path, config: Settings) -> State | None:
    """The state in a folder; None when there is none yet.

    Raises:
        CheckpointError: it is damaged, or of a run with other settings.
    """
    if not (folder / _MANIFEST).exists():
        return None
    content, tensors = read_folder(folder, _KIND)
    try:
        theirs = content["config"]
        different = sorted(name for name, value in config.to_dict().items() if theirs.get(name) != value)
        if different:
            raise CheckpointError(
                f"{folder}: holds a run with other settings ({', '.join(different)}); give another folder"
            )
        history = History.from_dict(content["history"])
        return State(
            content["step"],
            content["seconds"],
            history,
            content["stale"],
            content,
            tensors,
        )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: is damaged (its description lacks or misnames {error})") from error


def restore_into(
    state: State, model: nn.Module, optimisers: list[torch.optim.Optimizer], constraints: nn.Module
) -> None:
    """Put a state read into a fresh model and its optimisers.

    Raises:
        CheckpointError: it doesn't fit them.
    """
    assert state.content is not None
    assert state.tensors is not None
    for prefix, module in (("model.", model), ("constraints.", constraints)):
        own = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.tensors.items()
            if name.startswith(prefix)
        }
        load_state(module, own, "the state of the run")
    try:
        for optimiser, kept in zip(optimisers, state.content["optimisers"], strict=True):
            optimiser.load_state_dict(restore(kept, state.tensors))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the state of the run has another optimiser ({error})") from error
