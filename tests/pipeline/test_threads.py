"""Several threads of one process: the numbers of one, and nothing left changed."""

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
        reads = threading.Barrier(2, timeout=60)
        starts, ends = (threading.Barrier(3, timeout=60) for _ in range(2))
        turns = [threading.Event() for _ in range(2)]
        seen: dict[str, list[int]] = {}

        def compute(name: str, count: int, turn: threading.Event) -> None:
            seen[name] = [torch.get_num_threads()]
            # a thread that torch meets for the first time while another's number is set could take that one
            reads.wait()
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
def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    total, count, refusal = done.stdout.splitlines()
    assert float(total) == pytest.approx(np.e * 1e6, rel=1e-4)
    assert count == "1"
    assert refusal.startswith("threads is 2, but this process was forked from one that computes with several")
