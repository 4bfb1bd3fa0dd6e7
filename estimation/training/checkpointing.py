"""The state of an unfinished run. A run that resumes from it ends with the numbers of an uninterrupted one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from estimation.config.settings import MOST_STEPS, Settings
from estimation.dataset.dataset import Dataset
from estimation.dataset.fingerprint import fingerprint
from estimation.exceptions import CheckpointError, ConfigError
from estimation.history import HISTORY, History
from estimation.latent_count import LatentCount
from estimation.methods import with_current_names
from estimation.storage.folders import MANIFEST, flatten, load_state, read_folder, restore, write_folder
from estimation.storage.schema import Anything, Fields, Many, Maybe, Real, Text, Whole
from estimation.training.optimiser_states import require_state
from estimation.training.procedure import Procedure
from estimation.training.restart_states import RESTARTS, StoredRestarts

__all__ = ["Fingerprints", "State", "fingerprints", "read", "restore_into", "write"]

_KIND = "mechsparse training state"
_STATE = Fields(
    {
        "config": Fields({}),
        "step": Whole(0, MOST_STEPS),
        "seconds": Real(0, 1e12),
        "history": HISTORY,
        "stale": Whole(0, MOST_STEPS),
        "optimisers": Many(Anything()),
    },
    {"data": Fields({"training": Text(), "validation": Maybe(Text())}), "restarts": RESTARTS},
)

Fingerprints = Mapping[str, str | None]


@dataclass(frozen=True)
class State:
    """The state of a run, or of one of its restarts.

    Attributes:
        step: Number of steps taken; 0 if the restart is about to begin.
        seconds: Time spent.
        history: Records and notes so far.
        stale: Number of evaluations since held-out data were fitted best.
        restarts: The restarts that were finished before; None in a run without restarts.
        optimisers: Stored states of the optimisers; empty in a state to be written.
        tensors: Stored tensors; empty in a state to be written.
    """

    step: int
    seconds: float
    history: History
    stale: int
    restarts: StoredRestarts | None = None
    optimisers: tuple[Any, ...] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def latent_count(self) -> LatentCount | None:
        """How the number of latents was found, by this restart or by those before."""
        if (
            self.history.latent_count is None
            and self.restarts is not None
            and self.restarts.history is not None
        ):
            return self.restarts.history.latent_count
        return self.history.latent_count


def fingerprints(dataset: Dataset, validation: Dataset | None) -> Fingerprints:
    """Return the digests of a run's data, by ``"training"`` and ``"validation"``."""
    return {
        "training": fingerprint(dataset),
        "validation": None if validation is None else fingerprint(validation),
    }


def write(
    folder: Path,
    config: Settings,
    data: Fingerprints,
    state: State,
    procedure: Procedure,
) -> None:
    """Write the state of a run, in place of an earlier one.

    Raises:
        FileAccessError: If it can't be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in procedure.model.state_dict().items()}
    tensors |= {f"constraints.{name}": tensor for name, tensor in procedure.constraints.state_dict().items()}
    content = {
        "config": config.to_dict(),
        "data": dict(data),
        "step": state.step,
        "seconds": state.seconds,
        "history": state.history.to_dict(),
        "stale": state.stale,
        "optimisers": [
            flatten(optimiser.state_dict(), tensors, f"optimisers.{k}")
            for k, optimiser in enumerate(procedure.optimisers)
        ],
    }
    if state.restarts is not None:
        content["restarts"] = state.restarts.to_dict(tensors)
    write_folder(folder, _KIND, content, tensors)


def read(folder: Path, config: Settings, data: Fingerprints) -> State | None:
    """Read the state in a folder; return None if there is none yet.

    Raises:
        CheckpointError: If it is damaged, or belongs to a run with other settings or on other data.
    """
    if not (folder / MANIFEST).exists():
        return None
    content, tensors = read_folder(folder, _KIND, _STATE)
    different = _different_settings(config, content["config"])
    if different:
        raise CheckpointError(
            f"{folder}: holds a run with other settings ({', '.join(different)}); give another folder"
        )
    _require_same_data(folder, content.get("data"), data)
    steps = getattr(config, "steps", MOST_STEPS)
    if content["step"] > steps:
        raise CheckpointError(f"{folder}: is damaged (step is {content['step']}, and the run has {steps})")
    restarts = content.get("restarts")
    return State(
        content["step"],
        content["seconds"],
        History.from_dict(content["history"]),
        content["stale"],
        None if restarts is None else StoredRestarts.from_dict(restarts, tensors),
        tuple(content["optimisers"]),
        tensors,
    )


def _different_settings(config: Settings, stored: Mapping[str, Any]) -> list[str]:
    # versions without transforms read observations as they are
    stored = {"observation_transform": "none", **stored}
    with contextlib.suppress(ConfigError):
        # settings that have been renamed, or whose defaults were stored as null, get their present form
        stored = type(config).from_dict(stored).to_dict()
    return sorted(name for name, value in config.to_dict().items() if stored.get(name) != value)


def _require_same_data(folder: Path, stored: Fingerprints | None, data: Fingerprints) -> None:
    if stored is None:
        raise CheckpointError(
            f"{folder}: holds a run of a version that did not store a digest of its data; give another folder"
        )
    different = " and ".join(name for name in ("training", "validation") if stored[name] != data[name])
    if different:
        raise CheckpointError(
            f"{folder}: holds a run on other {different} data; give the data that it began with, or another folder"
        )


def restore_into(state: State, procedure: Procedure) -> None:
    """Load a state into an untrained model and its optimisers.

    Raises:
        CheckpointError: If it does not fit them.
    """
    for prefix, module in (("model.", procedure.model), ("constraints.", procedure.constraints)):
        tensors = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.tensors.items()
            if name.startswith(prefix)
        }
        load_state(module, with_current_names(tensors), "the state of the run")
    procedure.renew_optimisers()
    optimisers = procedure.optimisers
    if len(state.optimisers) != len(optimisers):
        raise CheckpointError(
            f"the state of the run has {len(state.optimisers)} optimisers, not {len(optimisers)}"
        )
    for k, (optimiser, stored) in enumerate(zip(optimisers, state.optimisers, strict=True)):
        try:
            optimiser_state = restore(stored, state.tensors)
            require_state(optimiser_state, optimiser, f"optimisers[{k}]")
            optimiser.load_state_dict(optimiser_state)
        except (CheckpointError, ValueError) as error:
            raise CheckpointError(f"the state of the run has another optimiser ({error})") from error
