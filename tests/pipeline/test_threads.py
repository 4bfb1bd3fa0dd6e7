"""Several threads of one process: the numbers of one, and nothing left changed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import torch

from estimation.device import thread_count

ROOT = Path(__file__).parents[2]


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_everything_at_once_gives_the_numbers_of_one_thread() -> None:
    """Encoding, training and evaluating, with refinement, flow and rotations on."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.in_threads"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    # a crash is a negative number
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_number_of_threads_is_put_back_in_whatever_order_they_end() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        starts, ends = (threading.Barrier(3, timeout=60) for _ in range(2))
        turns = [threading.Event() for _ in range(2)]
        seen: dict[str, list[int]] = {}

        def compute(name: str, count: int, turn: threading.Event) -> None:
            seen[name] = [torch.get_num_threads()]
            with thread_count(count):
                seen[name].append(torch.get_num_threads())
                starts.wait()
                assert turn.wait(60)
            seen[name].append(torch.get_num_threads())
            ends.wait()

        threads = [
            threading.Thread(target=compute, args=(name, count, turn))
            for name, count, turn in zip(("first", "second"), (1, 2), turns, strict=True)
        ]
        for thread in threads:
            thread.start()
        starts.wait()
        assert threads_of_a_new_thread() == torch.get_num_threads() == 3
        # the one that began first ends first
        for turn in turns:
            turn.set()
        ends.wait()
        for thread in threads:
            thread.join(60)
        assert seen == {"first": [3, 1, 3], "second": [3, 2, 3]}
        assert threads_of_a_new_thread() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
