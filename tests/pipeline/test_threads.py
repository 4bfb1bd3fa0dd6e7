"""Several threads of one process give the results of a single thread, and restore global state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from estimation.device import thread_count

ROOT = Path(__file__).parents[2]


def count_in_a_new_thread() -> int:
    """Return the number of threads that torch uses in a new thread."""
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return counts[0]


def test_concurrent_threads_give_the_results_of_a_single_thread() -> None:
    """Encoding, training and evaluation run concurrently, with refinement, flow and rotations."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.in_threads"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    # a crash gives a negative number
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == []


def test_the_number_of_threads_is_restored_in_whatever_order_threads_end() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        before_change = threading.Barrier(2, timeout=60)
        starts, ends = (threading.Barrier(3, timeout=60) for _ in range(2))
        may_end = [threading.Event() for _ in range(2)]
        counts: dict[str, list[int]] = {}

        def compute(name: str, count: int, end: threading.Event) -> None:
            counts[name] = [torch.get_num_threads()]
            # in its first use of torch, a thread could otherwise inherit the number that another thread has just set
            before_change.wait()
            with thread_count(count):
                counts[name].append(torch.get_num_threads())
                starts.wait()
                assert end.wait(60)
            counts[name].append(torch.get_num_threads())
            ends.wait()

        threads = [
            threading.Thread(target=compute, args=(name, count, end))
            for name, count, end in zip(("first", "second"), (1, 2), may_end, strict=True)
        ]
        for thread in threads:
            thread.start()
        starts.wait()
        assert count_in_a_new_thread() == torch.get_num_threads() == 3
        # the thread that began first ends first
        for end in may_end:
            end.set()
        ends.wait()
        for thread in threads:
            thread.join(60)
        assert counts == {"first": [3, 1, 3], "second": [3, 2, 3]}
        assert count_in_a_new_thread() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


FORKED = """
import multiprocessing, torch
from estimation.device import thread_count
from estimation.exceptions import ConfigError

torch.set_num_threads(2)
values = torch.ones(1_000_000)
values.exp().sum()

def child(answers):
    answers.put(float(values.exp().sum()))
    with thread_count(1):
        answers.put(torch.get_num_threads())
    try:
        with thread_count(2):
            answers.put("it computes with several")
    except ConfigError as error:
        answers.put(str(error))

context = multiprocessing.get_context("fork")
answers = context.Queue()
process = context.Process(target=child, args=(answers,), daemon=True)
process.start()
print(*(answers.get(timeout=60) for _ in range(3)), sep="\\n")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_wait_for_threads_of_its_parent() -> None:
    process = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert process.returncode == 0, process.stderr
    total, count, refusal = process.stdout.splitlines()
    assert float(total) == pytest.approx(np.e * 1e6, rel=1e-4)
    assert count == "1"
    assert refusal.startswith("threads is 2, but this process was forked from one that computes with several")
