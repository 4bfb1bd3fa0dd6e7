"""Linear independence of functions of the conditions, with the values of discrete actions substituted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from identify.mechanisms import Mechanisms, sample_points
from identify.proof.deadline import TimeLimitError, run_within
from identify.proof.independence import Branch, Dependent, Independent, Undecided, linear_independence
from identify.proof.substitution import TooLargeError, substitute

__all__ = ["decide_independence"]

# maximum number of combinations of values of discrete actions that are substituted
_MAX_COMBINATIONS = 1024


def decide_independence(
    mechanisms: Mechanisms, names: Sequence[str], branches: Sequence[Branch], seconds: float
) -> Independent | Dependent | Undecided:
    """Decide whether functions of the conditions are linearly independent, for almost every value of the latents.

    Args:
        mechanisms: The mechanisms, which define the latents and the values of actions.
        names: Names of the functions.
        branches: The functions, in one or several branches.
        seconds: Time limit, after which the answer is undecided.
    """
    try:
        substituted = run_within(seconds, lambda: list(_substitute_values(mechanisms, branches)))
    except TimeLimitError:
        return Undecided(f"substituting the values of the actions took longer than {seconds:.3g} s")
    except TooLargeError as error:
        return Undecided(str(error))
    return linear_independence(
        names,
        substituted,
        mechanisms.latents,
        seconds,
        lambda symbols, count: sample_points(mechanisms, symbols, count),
    )


def _substitute_values(mechanisms: Mechanisms, branches: Iterable[Branch]) -> Iterator[Branch]:
    """Yield the branches with every combination of the values of their discrete actions substituted."""
    for branch in branches:
        occurring = {symbol for function in branch for symbol in function.free_symbols}
        discrete = [action for action in mechanisms.action_values if action in occurring]
        choices = [mechanisms.action_values[action] for action in discrete]
        if math.prod(len(values) for values in choices) > _MAX_COMBINATIONS:
            # a relation that vanishes for all numbers vanishes for these values
            yield branch
            continue
        for values in itertools.product(*choices):
            assignment = dict(zip(discrete, values, strict=True))
            yield tuple(substitute(function, assignment) for function in branch)
