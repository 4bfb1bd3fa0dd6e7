"""Shared fixtures: two trained models with their data, and writers of tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from estimation.commands import main
from tests.estimation.command_line import TINY
from tests.estimation.table_files import WRITERS
from tests.seeds import training_seed


@pytest.fixture(scope="session")
def trained_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of three latents, two of them twins, and with two models after a short training."""
    folder = tmp_path_factory.mktemp("trained_models")
    graph = ["identical-twins", "--decoder", "polynomial", "--seed", str(training_seed())]
    assert main(["simulate", *graph, "-n", "2000", "-o", str(folder / "train.npz")]) == 0
    assert main(["simulate", *graph, "-n", "300", "--split", "test", "-o", str(folder / "test.npz")]) == 0
    for name, seed in (("a", 1), ("b", 2)):
        arguments = [
            "train",
            str(folder / "train.npz"),
            "-o",
            str(folder / name),
            *TINY,
            "--seed",
            str(training_seed(seed)),
        ]
        assert main(arguments) == 0
    return folder


@pytest.fixture
def working_directory(trained_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test, with links to the data and models of `trained_models`."""
    monkeypatch.chdir(tmp_path)
    for path in trained_models.iterdir():
        Path(path.name).symlink_to(path)
    return tmp_path


@pytest.fixture(params=list(WRITERS))
def write(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame, Path], Path]:
    return WRITERS[request.param]
