"""A run that the operating system killed at any time ends, when resumed, with the numbers of an undisturbed run."""

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
data, state, settings, every, out = sys.argv[1:]
config = TrainingConfig.from_dict(json.loads(settings))
fit(Dataset.read(data), config, checkpoint=state, checkpoint_every=int(every)).save(out)
"""
COMMAND = "import sys; from estimation.commands import main; sys.exit(main())"
PATIENCE = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, so that every process trains on the same numbers."""
    path = tmp_path_factory.mktemp("data") / "data.npz"
    simulate(CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [0, 1, 1]]), 600, seed=training_seed(1)).write(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainedModel:
    return fit(Dataset.read(data), CONFIG)


def train(data: Path, state: Path, every: int, out: Path) -> list[str]:
    settings = json.dumps(CONFIG.to_dict())
    return [sys.executable, "-c", TRAIN, str(data), str(state), settings, str(every), str(out)]


def steps_saved(state: Path) -> int:
    """Number of steps of the state, 0 without a state. A partly written state is never read."""
    path = state / "manifest.json"
    return json.loads(path.read_text())["content"]["step"] if path.exists() else 0


def killed(command: list[str], state: Path, later: float) -> None:
    """Start a run, and kill it some seconds after it has written a newer state."""
    before, begin = steps_saved(state), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while steps_saved(state) <= before and run.poll() is None and time.monotonic() < begin + PATIENCE:
            time.sleep(0.002)
        time.sleep(later)
        run.send_signal(signal.SIGKILL)
        _, error = run.communicate()
    assert run.returncode == -signal.SIGKILL, error.decode()
    assert before < steps_saved(state), "no state was written before the run was killed"


def without_seconds(history: History) -> dict[str, object]:
    return History([replace(record, seconds=0.0) for record in history.records], history.notes).to_dict()


def require_same(one: TrainedModel, two: TrainedModel) -> None:
    ours, theirs = one.model.state_dict(), two.model.state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype, name
        assert torch.equal(tensor, theirs[name]), name
    assert without_seconds(one.history) == without_seconds(two.history)


def test_a_run_killed_twice_ends_with_the_same_numbers(
    data: Path, undisturbed: TrainedModel, tmp_path: Path
) -> None:
    state, out, moments = tmp_path / "state", tmp_path / "model", random.Random(0)
    for _ in range(2):
        # with a state for every step, many kills happen during a write
        killed(train(data, state, 1, out), state, moments.uniform(0, 0.2))
        assert not out.exists()
    subprocess.run(train(data, state, 1000, out), check=True, capture_output=True)
    require_same(load(out), undisturbed)


def test_the_command_resumes_where_it_was_killed(
    data: Path, undisturbed: TrainedModel, tmp_path: Path
) -> None:
    out, config, defaults = tmp_path / "model", CONFIG.to_dict(), TrainingConfig().to_dict()
    changed = [name for name, value in config.items() if value != defaults[name]]
    settings = [f"--set={name}={json.dumps(config[name])}" for name in changed]
    words = ["train", str(data), "--out", str(out), *settings]
    killed([sys.executable, "-c", COMMAND, *words, "--checkpoint-every", "1"], out / "state", 0.2)
    assert not (out / "manifest.json").exists()
    # as when it is killed while it writes
    (out / "state" / ".0123456789abcdef.partial").write_bytes(b"half of it")
    assert main([*words, "--resume"]) == 0
    require_same(load(out), undisturbed)
    assert not (out / "state").exists()
