"""Speed and memory of training: the default model against one of the published size, memory against the data."""

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


class EnoughError(Exception):
    pass


def seconds_per_step(dataset: Dataset, config: TrainingConfig, steps: int) -> float:
    """In the middle of training, without what comes before the first step.

    Args:
        dataset: to train on.
        config: of a whole run, which is stopped when this many steps have been timed.
        steps: to time, after as many to warm up.
    """
    records: list[Record] = []

    def look(record: Record) -> None:
        records.append(record)
        if len(records) == 2:
            raise EnoughError

    few = dataset.take(slice(0, 16))
    with pytest.raises(EnoughError):
        fit(dataset, config.replace(validate_every=steps), validation=few, on_record=look)
    return (records[1].seconds - records[0].seconds) / steps


@pytest.mark.parametrize(
    ("name", "budget"), [("ActionNonDiag", "max_edges_actions"), ("TimeNonDiag", "max_edges_past")]
)
def test_a_step_against_one_of_the_published_size(name: str, budget: str) -> None:
    data, edges = published(name, 20_000), {budget: 20}
    default = seconds_per_step(data, TrainingConfig(**edges), 80)
    # the same work a step: the published batches
    ours = seconds_per_step(data, TrainingConfig(**edges, batch_size=1024), 80)
    theirs = seconds_per_step(data, TrainingConfig(preset="published", **edges), 2)
    print(
        f"\n{name}, one thread, batches of 1,024: {1 / ours:.1f} steps a second ({ours * 1e3:.0f} ms each); published "
        f"size {1 / theirs:.2f} ({theirs:.2f} s each): {theirs / ours:.0f}x; "
        f"in the default batches {default * 1e3:.0f} ms each"
    )
    assert theirs / ours > 25


@pytest.mark.parametrize(("name", "n_actions", "past"), [("actions", 10, False), ("past", 0, True)])
def test_a_step_of_soap_against_the_librarys(name: str, n_actions: int, past: bool) -> None:
    """The default model's weights with gradients that don't change, in turns."""
    config, shape = TrainingConfig(max_edges_past=20), Shape(20, 10, n_actions, past)
    optimisers = {}
    for which in ("ours", "library's"):
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
                begin = time.perf_counter()
                for _ in range(40):
                    optimiser.step()
                seconds[which] = min(seconds[which], (time.perf_counter() - begin) / 40)
    finally:
        torch.set_num_threads(threads)
    ours, theirs = seconds["ours"], seconds["library's"]
    print(
        f"\n{name}: a step of SOAP {ours * 1e3:.1f} ms, the library's {theirs * 1e3:.1f} ms: {theirs / ours:.1f}x"
    )
    assert theirs / ours > 1.3


# a process of its own: the high-water mark is that of a whole process
MEASURED = """
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
        words = [sys.executable, "-c", MEASURED, *paths, str(count)]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    size = sum(values.size * 4 for values in arrays.values())
    # more than any part of training looks at together, so that the difference is what grows with the data
    few, every = peak(20_000), peak(rows)
    growth = (every - few) / (0.9 * size)
    print(
        f"\n200,000 pairs of 20 observed with 10 actions, {size / 1e6:.0f} MB: {every / 1e6:.0f} MB at the peak, "
        f"{few / 1e6:.0f} MB with a tenth of them; {growth:.1f} bytes for each byte of data"
    )
    assert growth < 4


# RLIMIT_DATA is what a process may have beside its files; pages of a mapped file are the system's to drop
LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.training import fit
status = lambda key: 1024 * int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
path, extra, mapped = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "mapped"
config = TrainingConfig(n_latents=4, max_edges_past=4, steps=60, rounds=1)
# whatever is imported or set up late is there before the limit is set
fit(Dataset.from_arrays(np.random.default_rng(0).normal(size=(5000, 2, 20))), config)
data = Dataset.read(path, memory_map=mapped)
resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + extra,) * 2)
model = fit(data, config)
print(model.graph.Gz.nnz, status("RssAnon"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_DATA as Linux has it")
def test_data_larger_than_the_memory_there_is(tmp_path: Path) -> None:
    path, rows, extra = tmp_path / "x.npy", 6_000_000, 256 << 20
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, 2, 20))
    rng = np.random.default_rng(0)
    for start in range(0, rows, 100_000):
        stored[start : start + 100_000] = rng.standard_normal((100_000, 2, 20), dtype=np.float32)
    stored.flush()
    size = stored.nbytes
    del stored

    def run(how: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", LIMITED, str(path), str(extra), how]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    done = run("mapped")
    assert done.returncode == 0, done.stderr
    edges, anonymous = map(int, done.stdout.split())
    print(
        f"\n{size / 1e9:.2f} GB on disk, {extra / 1e9:.2f} GB of memory beyond that of the program: trained, "
        f"{anonymous / 1e9:.2f} GB in memory at the end"
    )
    assert edges == 4
    assert size > 3 * extra
    refused = run("read")
    assert refused.returncode != 0
    assert "MemoryError" in refused.stderr
