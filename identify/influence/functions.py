"""Functions of the conditions, whose independence is asked for, with the values of discrete actions put in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from identify.mechanisms import Mechanisms, sampled
from identify.proof.deadline import OutOfTimeError, within
from identify.proof.independence import Branch, Dependent, Independent, Undecided, linear_independence
from identify.proof.substitution import TooLargeError, substituted

__all__ = ["decided"]

# combinations of values of discrete actions that are looked at one by one
_MOST_COMBINATIONS = 1024


def decided(
    mechanisms: Mechanisms, names: Sequence[str], branches: Sequence[Branch], seconds: float
) -> Independent | Dependent | Undecided:
    """Whether functions of the conditions are independent, for almost every value of the latents.

    Args:
        mechanisms: Say which symbols are latents, and which values actions take.
        names: Of the functions.
        branches: The functions, in one or several forms.
        seconds: After which it is undecided.
    """
    try:
        spelled_out = within(seconds, lambda: list(_spelled_out(mechanisms, branches)))
    except OutOfTimeError:
        return Undecided(f"the values of the actions could not be put in within {seconds:.3g} s")
    except TooLargeError as error:
        return Undecided(str(error))
    return linear_independence(
        names,
        spelled_out,
        mechanisms.latents,
        seconds,
        lambda symbols, count: sampled(mechanisms, symbols, count),
    )


def _spelled_out(mechanisms: Mechanisms, branches: Iterable[Branch]) -> Iterator[Branch]:
    """Branches with every combination of the values of discrete actions in them put in."""
    for branch in branches:
        occurring = {symbol for part in branch for symbol in part.free_symbols}
        discrete = [action for action in mechanisms.action_values if action in occurring]
        choices = [mechanisms.action_values[action] for action in discrete]
        combinations = 1
        for values in choices:
            combinations *= len(values)
        if combinations > _MOST_COMBINATIONS:
            # a relation that vanishes for all numbers does so for these
            yield branch
            continue
        for chosen in itertools.product(*choices):
            replaced = dict(zip(discrete, chosen, strict=True))
            yield tuple(substituted(part, replaced) for part in branch)
