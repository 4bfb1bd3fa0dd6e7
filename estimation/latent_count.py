"""`LatentCount`: how many latents the data ask for, with the numbers that were tried.

Training with ``n_latents="auto"`` stores it in the history; ``estimation.training.latent_search`` does the search. The
rule, which is ours, uses two held-out quantities of short runs with different numbers of latents:

- the negative ELBO. With too few latents it is far higher; superfluous ones leave it about the same.
- the ratios of signal to noise: eigenvalues of the covariance of the posterior means relative to the mean covariance of
  the posteriors. Directions of superfluous latents have small ones, below a gap, and 1 or less if they have collapsed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from estimation.storage.schema import Fields, Many, Maybe, Real, Text, Whole
from identify.wording import listed, plural

__all__ = [
    "LATENT_COUNT",
    "Candidate",
    "LatentCount",
    "best_by_number",
    "clear_directions",
    "smallest_sufficient",
]

_MAX_LATENTS = 10_000
#: The schema of a stored search.
LATENT_COUNT = Fields(
    {
        "n_latents": Whole(1, _MAX_LATENTS),
        "n_observed": Whole(1),
        "intrinsic_dimension": Maybe(Real(0)),
        "given": Maybe(Whole(1, _MAX_LATENTS)),
        "candidates": Many(
            Fields(
                {
                    "n_latents": Whole(1, _MAX_LATENTS),
                    "start": Whole(0),
                    "negative_elbo": Real(),
                    "reconstruction_error": Real(0),
                    "signal_to_noise": Many(Real()),
                }
            )
        ),
    },
    {"shorter": Text()},
)

# nats per observed dimension: equally good starts differ by up to 0.07 after 500 steps
_MARGIN = 0.1
# nats per row: where no direction looks superfluous, a latent that few observed dimensions show must not be lost
_CLEAR_NATS = 2.0
# ratios below this one are compared as if they were equal to it
_SMALL_RATIO = 30.0
# a gap between neighbouring ratios from this factor on is one between true and superfluous directions,
_GAP = 4.0
# if the ratio below it is smaller than this one: superfluous directions had at most 620
_MAX_SUPERFLUOUS = 1_000.0


@dataclass(frozen=True)
class Candidate:
    """A short run with some number of latents.

    Attributes:
        n_latents: Number of latents n.
        start: Number of its random start.
        negative_elbo: Negative ELBO of held-out rows, per observed dimension.
        reconstruction_error: Mean squared error of held-out reconstructions, where observations have variance 1.
        signal_to_noise: Eigenvalues of the covariance of the posterior means relative to the mean posterior covariance,
            the largest first, n numbers.
    """

    n_latents: int
    start: int
    negative_elbo: float
    reconstruction_error: float
    signal_to_noise: tuple[float, ...]

    @property
    def n_active(self) -> int:
        """Number of directions in which the means vary by more than the posterior."""
        return sum(ratio > 1 for ratio in self.signal_to_noise)

    @property
    def n_clear(self) -> int:
        """Number of directions above the gap in the ratios of signal to noise; n without a gap."""
        return clear_directions(self.signal_to_noise)


def clear_directions(ratios: Sequence[float]) -> int:
    """Return the number of ratios above the widest gap, or of those above 1 if no gap is as wide as a factor of 4.

    A gap counts if the ratio below it is under 1,000. Ratios below 30 count as 30, so that differences among
    superfluous directions make no gap. One direction at least counts as clear.

    Args:
        ratios: Ratios of signal to noise, the largest first.

    Example:
        >>> clear_directions([9000, 5000, 1500, 20, 0.5]), clear_directions([9000, 5000, 1500])
        (3, 3)
    """
    logs = [math.log(max(ratio, _SMALL_RATIO)) for ratio in ratios]
    gaps = [
        (first - second, k + 1)
        for k, (first, second) in enumerate(itertools.pairwise(logs))
        if second < math.log(_MAX_SUPERFLUOUS)
    ]
    widest, position = max(gaps, default=(0.0, 0))
    n_active = max(sum(ratio > 1 for ratio in ratios), 1)
    return min(position, n_active) if widest >= math.log(_GAP) else n_active


def best_by_number(candidates: Iterable[Candidate]) -> dict[int, Candidate]:
    """Return the candidate with the lowest negative ELBO for every number of latents, the fewest latents first."""
    best: dict[int, Candidate] = {}
    for candidate in candidates:
        rival = best.get(candidate.n_latents)
        if rival is None or candidate.negative_elbo < rival.negative_elbo:
            best[candidate.n_latents] = candidate
    return dict(sorted(best.items()))


def smallest_sufficient(candidates: Iterable[Candidate], n_observed: int) -> int:
    """Return the smallest number of latents whose held-out ELBO is about as good as the best one.

    About as good means: worse by at most 0.1 nats per observed dimension. Between a number whose directions are all
    clear and a smaller one, the margin is also at most 2 nats per row.

    Args:
        candidates: Runs with different numbers of latents, one or more.
        n_observed: Number of observed dimensions.

    Example:
        >>> curve = {3: -0.1, 4: -1.6, 5: -1.61}
        >>> smallest_sufficient([Candidate(n, 0, loss, 0.0, (500.0,) * n) for n, loss in curve.items()], 20)
        4
    """
    best = best_by_number(candidates)
    lowest = min(candidate.negative_elbo for candidate in best.values())
    chosen = min(n for n, candidate in best.items() if candidate.negative_elbo == lowest)
    for n in sorted((n for n in best if n < chosen), reverse=True):
        if best[n].negative_elbo - lowest <= margin(best[chosen], n_observed):
            chosen = n
    return chosen


def is_as_good(fewer: Candidate, given: Candidate, n_observed: int) -> bool:
    """Return whether a number of latents may replace a larger one that the user gave.

    The held-out ELBO may be worse by at most 0.1 nats per observed dimension and 2 nats per row.
    """
    return fewer.negative_elbo - given.negative_elbo <= min(_MARGIN, _CLEAR_NATS / n_observed)


def margin(candidate: Candidate, n_observed: int) -> float:
    """Return by how much fewer latents than those of a candidate may be worse, in nats per observed dimension."""
    if candidate.n_clear < candidate.n_latents:
        return _MARGIN
    return min(_MARGIN, _CLEAR_NATS / n_observed)


@dataclass(frozen=True)
class LatentCount:
    """The number of latents that was found, and the curve behind it.

    Attributes:
        n_latents: The number found.
        n_observed: Number of observed dimensions, the largest number that was allowed.
        intrinsic_dimension: Estimate with which the search began; None if it began with a given number.
        candidates: The runs that were compared, in the order in which they were tried.
        given: Number of latents in the settings, of which some are superfluous; None with ``n_latents="auto"``.
        shorter: What shorter runs found, if a smaller number might be right and these ones followed; otherwise empty.
    """

    n_latents: int
    n_observed: int
    intrinsic_dimension: float | None
    candidates: tuple[Candidate, ...]
    given: int | None = None
    shorter: str = ""

    @classmethod
    def of(cls, candidates: Iterable[Candidate], n_observed: int, intrinsic_dimension: float) -> LatentCount:
        """Return the number that these candidates call for."""
        tried = tuple(candidates)
        return cls(smallest_sufficient(tried, n_observed), n_observed, intrinsic_dimension, tried)

    @property
    def best(self) -> dict[int, Candidate]:
        """The best candidate for every number of latents, the fewest latents first."""
        return best_by_number(self.candidates)

    @property
    def nearly_as_good(self) -> tuple[int, ...]:
        """Other numbers that the data hardly rule out.

        Smaller numbers whose ELBO is worse by less than twice the margin, and larger ones whose ELBO is better by more
        than half of it.
        """
        best = self.best
        chosen, lowest = best[self.n_latents], min(each.negative_elbo for each in best.values())
        limit = 2 * margin(chosen, self.n_observed)
        fewer = [n for n in best if n < self.n_latents and best[n].negative_elbo - lowest <= limit]
        more = [
            n
            for n in best
            if n > self.n_latents and chosen.negative_elbo - best[n].negative_elbo > _MARGIN / 2
        ]
        return (*fewer, *more)

    @property
    def may_be_smaller(self) -> bool:
        """Whether a smaller number may be right: one that is nearly as good, that the gap suggests, or that is untried.

        Short runs with a decoder that fits slowly need superfluous latents, which longer ones do without.
        """
        has_weak_directions = self.best[self.n_latents].n_clear < self.n_latents
        is_untried = self.n_latents > 1 and self.n_latents - 1 not in self.best
        return has_weak_directions or is_untried or any(n < self.n_latents for n in self.nearly_as_good)

    @property
    def doubt(self) -> str:
        """Why the number is doubtful, in words; empty if it is clear."""
        chosen, doubts = self.best[self.n_latents], []
        if self.given is not None:
            return self.superfluous
        if near := self.nearly_as_good:
            doubts.append(
                f"{listed([str(n) for n in near])} {'is' if len(near) == 1 else 'are'} nearly as good"
            )
        if chosen.n_clear < self.n_latents:
            n_weak = self.n_latents - chosen.n_clear
            doubts.append(
                f"{plural(n_weak, 'direction')} of the latents {'is' if n_weak == 1 else 'are'} weak"
            )
        if self.n_latents > 1 and self.n_latents - 1 not in self.best:
            doubts.append(f"{self.n_latents - 1} was not tried")
        if self.n_latents == max(self.best) and self.n_latents < self.n_observed:
            doubts.append("no larger number was tried")
        return "; ".join(doubts)

    @property
    def summary(self) -> str:
        """The number and the doubt in words.

        Example:
            >>> curve = {3: -0.1, 4: -1.5, 5: -1.58}
            >>> tried = [Candidate(n, 0, loss, 0.0, (500.0,) * n) for n, loss in curve.items()]
            >>> LatentCount.of(tried, 20, 3.6).summary
            '4 latents; 5 is nearly as good'
        """
        return "; ".join([plural(self.n_latents, "latent"), *([self.doubt] if self.doubt else [])])

    @property
    def note(self) -> str:
        """A line for the history."""
        curve = ", ".join(f"{each.negative_elbo:.3g} with {n}" for n, each in self.best.items())
        found = f"found {self.summary}" if self.given is None else self.superfluous
        shorter = f"; even shorter runs left a doubt ({self.shorter})" if self.shorter else ""
        return f"{found}: the held-out negative ELBOs of short runs were {curve}{shorter}"

    @property
    def superfluous(self) -> str:
        """The number of superfluous latents among those given, in words; empty if none were given."""
        if self.given is None:
            return ""
        n_removed = self.given - self.n_latents
        verb = "is" if n_removed == 1 else "are"
        return (
            f"{n_removed} of the {self.given} latents {verb} superfluous, and {self.n_latents} were trained"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the search ready for JSON."""
        content = asdict(self)
        content["candidates"] = [
            {**each, "signal_to_noise": list(each["signal_to_noise"])} for each in content["candidates"]
        ]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LatentCount:
        """Return the search of content that follows ``LATENT_COUNT``: the inverse of `to_dict`."""
        candidates = tuple(
            Candidate(
                each["n_latents"],
                each["start"],
                each["negative_elbo"],
                each["reconstruction_error"],
                tuple(each["signal_to_noise"]),
            )
            for each in content["candidates"]
        )
        numbers = (content["n_latents"], content["n_observed"], content["intrinsic_dimension"])
        return cls(*numbers, candidates, content["given"], content.get("shorter", ""))
