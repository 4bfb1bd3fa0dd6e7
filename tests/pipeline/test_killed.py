"""A run that the operating system kills at any time gives the numbers of an undisturbed run after resuming."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from estimation.checkpoint import load
from estimation.commands import main
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.history import History
from estimation.simulate import simulate
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.graph import CausalGraph
from tests.seeds import training_seed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

# long enough for the optimiser to refresh its bases, at step 41
CONFIG = TrainingConfig(
    max_edges_actions=5,
    steps=100,
    dense_share=0.5,
    batch_size=64,
    width=16,
    depth=2,
    transition_width=8,
    warmup=5,
    rounds=2,
    flow_blocks=1,
    validate_every=7,
    seed=training_seed(),
)
TRAIN = """
import json, sys
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.training import fit
data, state, settings, interval, out = sys.argv[1:]
config = TrainingConfig.from_dict(json.loads(settings))
fit(Dataset.read(data), config, checkpoint=state, checkpoint_every=int(interval)).save(out)
"""
COMMAND = "import sys; from estimation.commands import main; sys.exit(main())"
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with data, so that every process trains on the same numbers."""
    path = tmp_path_factory.mktemp("data") / "data.npz"
    simulate(CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [0, 1, 1]]), 600, seed=training_seed(1)).write(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainedModel:
    return fit(Dataset.read(data), CONFIG)


def train(data: Path, state: Path, interval: int, out: Path) -> list[str]:
    settings = json.dumps(CONFIG.to_dict())
    return [sys.executable, "-c", TRAIN, str(data), str(state), settings, str(interval), str(out)]


def steps_saved(state: Path) -> int:
    """Return the number of steps of the state, 0 without a state. A partly written state is never read."""
    path = state / "manifest.json"
    return json.loads(path.read_text())["content"]["step"] if path.exists() else 0


def start_and_kill(command: list[str], state: Path, delay: float) -> None:
    """Start a run, and kill it after it has written a newer state and a delay in seconds."""
    steps_before, start = steps_saved(state), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while (
            steps_saved(state) <= steps_before
            and run.poll() is None
            and time.monotonic() < start + TIMEOUT_SECONDS
        ):
            time.sleep(0.002)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        _, error = run.communicate()
    assert run.returncode == -signal.SIGKILL, error.decode()
    assert steps_before < steps_saved(state), "no state was written before the run was killed"


def without_seconds(history: History) -> dict[str, object]:
    return History([replace(record, seconds=0.0) for record in history.records], history.notes).to_dict()


def assert_same(model: TrainedModel, expected: TrainedModel) -> None:
    weights, expected_weights = model.model.state_dict(), expected.model.state_dict()
    assert list(weights) == list(expected_weights)
    for name, tensor in weights.items():
        assert tensor.dtype == expected_weights[name].dtype, name
        assert torch.equal(tensor, expected_weights[name]), name
    assert without_seconds(model.history) == without_seconds(expected.history)


def test_a_run_killed_twice_ends_with_the_same_numbers(
    data: Path, undisturbed: TrainedModel, tmp_path: Path
) -> None:
    state, out, rng = tmp_path / "state", tmp_path / "model", random.Random(0)
    for _ in range(2):
        # with a state for every step, many kills happen during a write
        start_and_kill(train(data, state, 1, out), state, rng.uniform(0, 0.2))
        assert not out.exists()
    subprocess.run(train(data, state, 1000, out), check=True, capture_output=True)
    assert_same(load(out), undisturbed)


def test_the_command_resumes_where_it_was_killed(
    data: Path, undisturbed: TrainedModel, tmp_path: Path
) -> None:
    out, config, defaults = tmp_path / "model", CONFIG.to_dict(), TrainingConfig().to_dict()
    changed = [name for name, value in config.items() if value != defaults[name]]
    settings = [f"--set={name}={json.dumps(config[name])}" for name in changed]
    arguments = ["train", str(data), "--out", str(out), *settings]
    start_and_kill([sys.executable, "-c", COMMAND, *arguments, "--checkpoint-every", "1"], out / "state", 0.2)
    assert not (out / "manifest.json").exists()
    # a file that a run leaves if it is killed while writing
    (out / "state" / ".0123456789abcdef.partial").write_bytes(b"half of it")
    assert main([*arguments, "--resume"]) == 0
    assert_same(load(out), undisturbed)
    assert not (out / "state").exists()
