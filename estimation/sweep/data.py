"""The data of a run, and the check that they have not changed since the run started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from estimation.exceptions import ConfigError
from estimation.storage.folders import forget_folder
from estimation.storage.schema import Fields, Text
from estimation.sweep.folders import DATA, STATE, read_record, status_of, write_record
from estimation.sweep.specification import DataSpec, Trial
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.simulate.sampling import Split

__all__ = ["load_data", "record_data", "require_same_data"]

_FINGERPRINTS_SCHEMA = Fields({"training": Text(), "test": Text()})


def load_data(spec: DataSpec) -> tuple[Dataset, Dataset]:
    """Load or simulate the training data and the test data of a trial.

    Args:
        spec: The description of the data.

    Returns:
        Training data and test data.

    Raises:
        ConfigError: If the source is neither a published process nor a file.
    """
    from estimation.dataset.dataset import Dataset
    from estimation.simulate.published_processes import NAMES

    if spec.source in NAMES:
        return _simulate(spec, spec.samples, "train"), _simulate(spec, spec.test_samples, "test")
    if not Path(spec.source).is_file():
        raise ConfigError(
            f"[data.{spec.name}]: source is {spec.source!r}, neither a published process nor a file; "
            f"the published processes are {', '.join(NAMES)}"
        )
    train = Dataset.read(spec.source)
    return train, train if spec.test is None else Dataset.read(spec.test, like=train)


def record_data(folder: Path, train: Dataset, test: Dataset) -> None:
    """Store the fingerprints of the data before a run starts.

    If the folder has a training state on other data, that state is removed. This happens only after a failed run, which
    then starts again from the first step.

    Args:
        folder: The folder of the run.
        train: The training data.
        test: The test data.
    """
    fingerprints = _compute_fingerprints(train, test)
    if (stored := _read_fingerprints(folder)) is not None and stored != fingerprints:
        forget_folder(folder / STATE)
    write_record(folder, DATA, fingerprints)


def require_same_data(trials: Sequence[Trial], root: Path) -> None:
    """Check that the data files of a sweep have not changed since its runs were trained and scored.

    A published process follows from its seeds and needs no check. A file that no longer exists cannot be compared. Runs
    without fingerprints, which early versions did not store, are accepted.

    Args:
        trials: The trials of the sweep.
        root: The folder of the sweep.

    Raises:
        ConfigError: If a file has changed. The message names a run.
        DataError: If a file can no longer be read.
    """
    from estimation.simulate.published_processes import NAMES

    current: dict[DataSpec, dict[str, str]] = {}
    for trial in trials:
        folder, spec = root / trial.name, trial.data
        if spec.source in NAMES or not Path(spec.source).is_file() or status_of(folder) == "failed":
            continue
        stored = _read_fingerprints(folder)
        if stored is None or (spec.test is not None and not Path(spec.test).is_file()):
            continue
        if spec not in current:
            current[spec] = _compute_fingerprints(*load_data(spec))
        for part, source in (("training", spec.source), ("test", spec.test or spec.source)):
            if stored[part] != current[spec][part]:
                verb = "trained" if part == "training" else "scored"
                raise ConfigError(
                    f"{folder}: the run was {verb} on other data than {shown(source)} contains now; remove the folder "
                    "to run the trial again, or give another output folder"
                )


def _read_fingerprints(folder: Path) -> dict[str, str] | None:
    path = folder / DATA
    if not path.is_file():
        return None
    return read_record(path, _FINGERPRINTS_SCHEMA)


def _compute_fingerprints(train: Dataset, test: Dataset) -> dict[str, str]:
    from estimation.dataset.fingerprint import fingerprint

    training = fingerprint(train)
    return {"training": training, "test": training if test is train else fingerprint(test)}


def _simulate(spec: DataSpec, n_samples: int, split: Split) -> Dataset:
    from estimation.simulate.sampling import published, simulate

    density, graph_seed = spec.density, spec.graph_seed
    if spec.seed is None:
        return published(spec.source, n_samples, split, density, graph_seed)
    return simulate(spec.source, n_samples, spec.seed, split, density=density, graph_seed=graph_seed)
