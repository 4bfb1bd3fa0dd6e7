"""The data of a run, and whether they are those that it began with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from estimation.exceptions import ConfigError
from estimation.storage.folders import forget_folder
from estimation.storage.schema import Fields, Text
from estimation.sweep.folders import DATA, STATE, read_record, status_of, write_record
from estimation.sweep.plan import DataSpec, Trial
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from estimation.simulate.sampling import Split

__all__ = ["begin", "datasets", "require_same_data"]

_RECORD = Fields({"training": Text(), "test": Text()})


def datasets(spec: DataSpec) -> tuple[Dataset, Dataset]:
    """What a trial is trained and scored on.

    Raises:
        ConfigError: the source is neither a published process nor a file.
    """
    from estimation.dataset.dataset import Dataset
    from estimation.simulate.published_processes import NAMES

    if spec.source in NAMES:
        return _drawn(spec, spec.samples, "train"), _drawn(spec, spec.test_samples, "test")
    if not Path(spec.source).is_file():
        raise ConfigError(
            f"[data.{spec.name}]: source is {spec.source!r}, neither a published process nor a file; "
            f"the former are {', '.join(NAMES)}"
        )
    train = Dataset.read(spec.source)
    return train, train if spec.test is None else Dataset.read(spec.test, like=train)


def begin(folder: Path, train: Dataset, test: Dataset) -> None:
    """Write down what the run of a folder is trained and scored on, before it is.

    A state on other data is forgotten: only a run that failed gets here with one, and is begun anew.
    """
    found = _fingerprints(train, test)
    if (known := _known(folder)) is not None and known != found:
        forget_folder(folder / STATE)
    write_record(folder, DATA, found)


def require_same_data(trials: Sequence[Trial], root: Path) -> None:
    """Refuse to go on with a sweep whose files hold other data than those that its runs were trained or scored on.

    A published process is drawn from its seeds and needs no look; a file is read once. Where it is gone, there is
    nothing to compare with; and runs of versions that wrote down no fingerprints are taken as they are.

    Args:
        trials: of the sweep.
        root: its folder.

    Raises:
        ConfigError: a file has changed; the text names a run.
        DataError: a file can't be read any more.
    """
    from estimation.simulate.published_processes import NAMES

    now: dict[DataSpec, dict[str, str]] = {}
    for trial in trials:
        folder, spec = root / trial.name, trial.data
        if spec.source in NAMES or not Path(spec.source).is_file() or status_of(folder) == "failed":
            continue
        known = _known(folder)
        if known is None or (spec.test is not None and not Path(spec.test).is_file()):
            continue
        if spec not in now:
            now[spec] = _fingerprints(*datasets(spec))
        for part, source in (("training", spec.source), ("test", spec.test or spec.source)):
            if known[part] != now[spec][part]:
                deed = "trained" if part == "training" else "scored"
                raise ConfigError(
                    f"{folder}: was {deed} on other data than {shown(source)} holds now; remove it to run the trial "
                    "again, or give another folder"
                )


def _known(folder: Path) -> dict[str, str] | None:
    path = folder / DATA
    if not path.is_file():
        return None
    return read_record(path, _RECORD)


def _fingerprints(train: Dataset, test: Dataset) -> dict[str, str]:
    from estimation.dataset.fingerprint import fingerprint

    training = fingerprint(train)
    return {"training": training, "test": training if test is train else fingerprint(test)}


def _drawn(spec: DataSpec, n_samples: int, split: Split) -> Dataset:
    from estimation.simulate.sampling import published, simulate

    density, graph_seed = spec.density, spec.graph_seed
    if spec.seed is None:
        return published(spec.source, n_samples, split, density, graph_seed)
    return simulate(spec.source, n_samples, spec.seed, split, density=density, graph_seed=graph_seed)
