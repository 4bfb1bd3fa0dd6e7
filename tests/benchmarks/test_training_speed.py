"""Speed of training compared with the published model size, and memory compared with the size of the data."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import pytorch_optimizer
import torch

from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.history import Record
from estimation.models.representation import Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.simulate import published
from estimation.training import fit
from estimation.training.optimisers import build

pytestmark = pytest.mark.benchmark


class StopTrainingError(Exception):
    pass


def seconds_per_step(dataset: Dataset, config: TrainingConfig, steps: int) -> float:
    """Return the time of a step in the middle of training, without the preparation before the first step.

    Args:
        dataset: Training data.
        config: Settings of a full run, which is stopped after the timed steps.
        steps: Number of steps to time, after the same number of warm-up steps.
    """
    records: list[Record] = []

    def stop_after_two(record: Record) -> None:
        records.append(record)
        if len(records) == 2:
            raise StopTrainingError

    validation = dataset.take(slice(0, 16))
    with pytest.raises(StopTrainingError):
        fit(
            dataset,
            config.replace(validate_every=steps),
            validation=validation,
            on_record=stop_after_two,
        )
    return (records[1].seconds - records[0].seconds) / steps


@pytest.mark.parametrize(
    ("name", "budget"), [("ActionNonDiag", "max_edges_actions"), ("TimeNonDiag", "max_edges_past")]
)
def test_a_step_compared_with_the_published_model_size(name: str, budget: str) -> None:
    data, edges = published(name, 20_000), {budget: 20}
    default = seconds_per_step(data, TrainingConfig(**edges), 80)
    # the published batch size, so that a step processes the same number of rows
    ours = seconds_per_step(data, TrainingConfig(**edges, batch_size=1024), 80)
    published_size = seconds_per_step(data, TrainingConfig(preset="published", **edges), 2)
    ratio = published_size / ours
    print(
        f"\n{name}, one thread, batches of 1,024: {ours * 1e3:.0f} ms per step; published model size "
        f"{published_size:.2f} s per step: {ratio:.0f}x; with the default batch size {default * 1e3:.0f} ms per step"
    )
    assert ratio > 25


@pytest.mark.parametrize(("name", "n_actions", "past"), [("actions", 10, False), ("past", 0, True)])
def test_a_step_of_soap_compared_with_pytorch_optimizer(name: str, n_actions: int, past: bool) -> None:
    """Both optimisers update the weights of the default model with constant gradients, in alternation."""
    config, shape = TrainingConfig(max_edges_past=20), Shape(20, 10, n_actions, past)
    optimisers = {}
    for which in ("ours", "pytorch_optimizer"):
        generator = torch.Generator().manual_seed(0)
        parameters = list(SparseVAE(shape, config, generator).parameters())
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        parameters = [parameter for parameter in parameters if parameter.numel()]
        options = {"weight_decay": 0.0, "precondition_frequency": 40}
        optimisers[which] = (
            build(parameters, "soap", 1e-3)
            if which == "ours"
            else pytorch_optimizer.SOAP(parameters, lr=1e-3, **options)
        )
    seconds = dict.fromkeys(optimisers, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(5):
            for which, optimiser in optimisers.items():
                start = time.perf_counter()
                for _ in range(40):
                    optimiser.step()
                seconds[which] = min(seconds[which], (time.perf_counter() - start) / 40)
    finally:
        torch.set_num_threads(threads)
    ours, library = seconds["ours"], seconds["pytorch_optimizer"]
    print(
        f"\n{name}: a step of SOAP {ours * 1e3:.1f} ms, of pytorch_optimizer {library * 1e3:.1f} ms: "
        f"{library / ours:.1f}x"
    )
    assert library / ours > 1.3


# a separate process, because the peak memory is that of a whole process
PEAK_SCRIPT = """
import re, sys
from pathlib import Path
import numpy as np
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.training import fit
x, a, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = Dataset.from_arrays(np.load(x)[:rows].copy(), actions=np.load(a)[:rows].copy())
fit(data, TrainingConfig(n_latents=10, max_edges_actions=20, max_edges_past=20, steps=30, rounds=1))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(int(peak) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_against_the_size_of_the_data(tmp_path: Path) -> None:
    rows, rng = 200_000, np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(rows, 2, 20)), "a": rng.normal(size=(rows, 10))}
    paths = []
    for name, values in arrays.items():
        paths.append(str(tmp_path / f"{name}.npy"))
        np.save(paths[-1], values.astype(np.float32))

    def peak(count: int) -> int:
        command = [sys.executable, "-c", PEAK_SCRIPT, *paths, str(count)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    size = sum(values.size * 4 for values in arrays.values())
    # both sizes exceed what any part of training processes at once, so the difference is due to the data
    tenth, whole = peak(20_000), peak(rows)
    growth = (whole - tenth) / (0.9 * size)
    print(
        f"\n200,000 pairs of 20 observed variables with 10 actions, {size / 1e6:.0f} MB: peak {whole / 1e6:.0f} MB, "
        f"with a tenth of the data {tenth / 1e6:.0f} MB; {growth:.1f} bytes per byte of data"
    )
    assert growth < 4


# RLIMIT_DATA does not count the pages of mapped files, which the system can drop
LIMITED_SCRIPT = """
import re, resource, sys
from pathlib import Path
import numpy as np
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.training import fit
status = lambda key: 1024 * int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
path, extra, mapped = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "mapped"
config = TrainingConfig(n_latents=4, max_edges_past=4, steps=60, rounds=1)
# a first training, so that late imports and initialisation come before the limit
fit(Dataset.from_arrays(np.random.default_rng(0).normal(size=(5000, 2, 20))), config)
data = Dataset.read(path, memory_map=mapped)
resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + extra,) * 2)
model = fit(data, config)
print(model.graph.Gz.nnz, status("RssAnon"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_DATA as on Linux")
def test_data_larger_than_the_available_memory(tmp_path: Path) -> None:
    path, rows, extra = tmp_path / "x.npy", 6_000_000, 256 << 20
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, 2, 20))
    rng = np.random.default_rng(0)
    for start in range(0, rows, 100_000):
        stored[start : start + 100_000] = rng.standard_normal((100_000, 2, 20), dtype=np.float32)
    stored.flush()
    size = stored.nbytes
    del stored

    def run(mode: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED_SCRIPT, str(path), str(extra), mode]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    mapped = run("mapped")
    assert mapped.returncode == 0, mapped.stderr
    edges, anonymous = map(int, mapped.stdout.split())
    print(
        f"\n{size / 1e9:.2f} GB on disk, limit of {extra / 1e9:.2f} GB in addition to the program: trained, with "
        f"{anonymous / 1e9:.2f} GB in memory at the end"
    )
    assert edges == 4
    assert size > 3 * extra
    in_memory = run("read")
    assert in_memory.returncode != 0
    assert "MemoryError" in in_memory.stderr
