"""Time limits: nested, repeated, and lost interruptions."""

from __future__ import annotations

import time

import pytest

from identify.exceptions import RequestError
from identify.proof.deadline import TimeLimitError, check_seconds, run_within


def run_forever() -> None:
    while True:
        sum(range(100))


def test_a_function_is_interrupted_and_no_interruption_arrives_later() -> None:
    with pytest.raises(TimeLimitError):
        run_within(0.05, lambda: [0 for _ in iter(int, 1)])
    for _ in range(200_000):
        pass
    assert run_within(float("inf"), lambda: 3) == 3
    # the function returns at about the time limit, again and again
    for k in range(40):
        try:
            run_within(1e-4 * k, lambda: sum(range(2_000)))
        except TimeLimitError:
            continue


def test_a_lost_interruption_is_repeated() -> None:
    lost: list[TimeLimitError] = []

    def work() -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                while time.monotonic() < end:
                    pass
            except TimeLimitError as error:
                lost.append(error)
                if len(lost) == 3:
                    raise

    start = time.monotonic()
    with pytest.raises(TimeLimitError):
        run_within(0.05, work)
    assert time.monotonic() - start < 5
    # no interruption arrives after the function has ended
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "1", True])
def test_a_time_limit_is_a_number_above_zero(seconds: object) -> None:
    with pytest.raises(RequestError, match="it is a time limit, a number above 0"):
        check_seconds(seconds)  # type: ignore[arg-type]


def test_the_earliest_of_nested_limits_counts() -> None:
    with pytest.raises(TimeLimitError):
        run_within(0.05, lambda: run_within(60, run_forever))
    with pytest.raises(TimeLimitError):
        run_within(60, lambda: run_within(0.05, run_forever))

    # after an inner limit the outer one still holds
    def outer() -> None:
        with pytest.raises(TimeLimitError):
            run_within(0.02, run_forever)
        run_forever()

    with pytest.raises(TimeLimitError):
        run_within(0.2, outer)
    assert run_within(60, lambda: 3) == 3


def test_inner_limits_fail_at_once_after_the_outer_limit() -> None:
    attempts: list[str] = []

    def retry() -> None:
        # code that handles an exceeded limit as an answer, again and again
        while True:
            try:
                run_within(60, run_forever)
            except TimeLimitError:
                attempts.append("failed")

    start = time.monotonic()
    with pytest.raises(TimeLimitError):
        run_within(0.1, retry)
    assert attempts
    assert time.monotonic() - start < 20
