"""`select`: the setting that a rule takes, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import ConfigError, DataError
from estimation.selection.rules import RULES, Rule, gains
from estimation.selection.runs import SettingSummary, read_runs, summarise

__all__ = ["Selection", "select"]

# a bend needs a setting between two others
_FEWEST = 3


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """The choice.

    Attributes:
        settings: what their runs say, the fewest edges first.
        scores: one for each, in that order.
        gains: the share of the held-out ELBO's gain that each has, in that order.
        chosen: the position of the choice.
        rule: the rule's name.
        warnings: what makes the choice doubtful, in words.
    """

    settings: tuple[SettingSummary, ...]
    scores: NDArray[np.float64]
    gains: NDArray[np.float64]
    chosen: int
    rule: str
    warnings: tuple[str, ...]

    @property
    def setting(self) -> Any:
        """The setting chosen, as it was given."""
        return self.settings[self.chosen].setting

    @property
    def reason(self) -> str:
        """Why, in words, with the warnings."""
        best = self.settings[self.chosen]
        parts = [
            f"setting {_shown(best.setting)} ({best.edges:.4g} edges) has the highest score of the rule {self.rule!r}, "
            f"{self.scores[self.chosen]:.3g}: {self.gains[self.chosen]:.0%} of the gain in held-out ELBO"
        ]
        if best.udr is not None:
            parts.append(f"; its seeds agree {best.udr:.2f}")
        others = [k for k in range(len(self.settings)) if k != self.chosen]
        if others:
            second = max(others, key=lambda k: self.scores[k])
            parts.append(f"; next is {_shown(self.settings[second].setting)} with {self.scores[second]:.3g}")
        return "".join(parts) + "".join(f". {warning}" for warning in self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON if the settings are."""
        return {
            "format": "mechsparse-selection",
            "version": 1,
            "setting": self.setting,
            "rule": self.rule,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "settings": [
                {**asdict(each), "score": float(score), "gain": float(gain)}
                for each, score, gain in zip(self.settings, self.scores, self.gains, strict=True)
            ],
        }

    def __repr__(self) -> str:
        return f"Selection({_shown(self.setting)} of {len(self.settings)} settings, by {self.rule!r})"


@default_errors
def select(runs: Iterable[object], rule: str | Rule = "bend") -> Selection:
    """Choose the sparsity from runs with several settings and seeds, without any truth.

    Args:
        runs: mappings, or objects, with ``setting``, ``seed``, ``edges``, ``negative_elbo`` (held out) and, where
            known, ``udr``; `measured` makes them from trained models.
        rule: ``"bend"`` (where the held-out ELBO stops gaining and seeds agree), ``"knee"`` (the same without
            agreement), ``"udr"`` (agreement alone, as published), ``"elbo"``, or a function of the summaries that
            returns a score for each; see `estimation.selection.rules`.

    Returns:
        the choice with all scores and the reason.

    Raises:
        ConfigError: an unknown rule, or one that returns something else than a finite score per setting.
        DataError: a run lacks something, or no run of a setting ended well.

    Example:
        >>> elbo = {5: -1.1, 10: -1.64, 20: -1.66, 40: -1.7}
        >>> runs = [
        ...     {"setting": k, "seed": s, "edges": k, "negative_elbo": e, "udr": 0.99 if k < 20 else 0.9}
        ...     for k, e in elbo.items()
        ...     for s in (0, 1)
        ... ]
        >>> select(runs).setting
        10
        >>> select(runs, rule="elbo").setting
        40
    """
    chosen_rule = _rule(rule)
    settings = summarise(read_runs(runs))
    if len(settings) < 2:
        raise DataError(f"all runs have the setting {settings[0].setting!r}; there is nothing to choose")
    name = rule if isinstance(rule, str) else getattr(rule, "__name__", "custom")
    scores = _checked(chosen_rule(settings), len(settings), name)
    gain = gains(settings)
    best = _best(scores, gain)
    return Selection(settings, scores, gain, best, name, _warnings(settings, gain, best, name))


def _best(scores: NDArray[np.float64], gain: NDArray[np.float64]) -> int:
    """The highest score; of equal ones that with the larger gain, then the sparser."""
    ties = np.flatnonzero(scores == scores.max())
    return int(ties[np.argmax(gain[ties])])


def _rule(rule: str | Rule) -> Rule:
    if isinstance(rule, str):
        if rule not in RULES:
            raise ConfigError(f"the rule is {rule!r}; it is one of {', '.join(RULES)}, or a function")
        return RULES[rule]
    if not callable(rule):
        raise ConfigError(f"the rule is {rule!r}; it is one of {', '.join(RULES)}, or a function")
    return rule


def _checked(scores: object, count: int, name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(scores, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ConfigError(f"the rule {name!r} must return a finite score for each of the {count} settings")
    return array


def _warnings(
    settings: Sequence[SettingSummary], gain: NDArray[np.float64], best: int, rule: str
) -> tuple[str, ...]:
    found = []
    if rule in ("bend", "knee"):
        if len(settings) < _FEWEST:
            found.append("With two settings there is no bend to see: add some between and beyond them")
        elif best == 0 and gain.any():
            found.append(
                "The sparsest setting was chosen: add sparser ones, of which one is clearly too sparse"
            )
        elif best == len(settings) - 1:
            found.append("The ELBO gains up to the densest setting: add denser ones")
    if rule == "bend" and any(each.udr is None for each in settings):
        found.append("Some settings have one seed only, so the seeds' agreement was left out")
    failed = sum(each.n_failed for each in settings)
    if failed:
        found.append(f"Runs that ended without a finite ELBO were left out: {failed}")
    return tuple(found)


def _shown(setting: object) -> str:
    return setting if isinstance(setting, str) else repr(setting)
