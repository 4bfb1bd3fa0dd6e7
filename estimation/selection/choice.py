"""`select`: the setting with the highest score of a rule, and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.arithmetic import default_errors
from estimation.exceptions import ConfigError, DataError
from estimation.selection.rules import DEFAULT_RULE, RULES, Rule, canonical_name, relative_gains
from estimation.selection.runs import SettingSummary, read_runs, summarise

__all__ = ["Selection", "select"]

# an elbow needs a setting between two others
_MIN_SETTINGS_FOR_ELBOW = 3


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """The selected setting, with the scores of all settings.

    Attributes:
        settings: Summaries of the settings, in ascending order of edges.
        scores: Score of each setting, in the same order.
        gains: Held-out ELBO of each setting, scaled to 0 for the worst and 1 for the best, in the same order.
        chosen: Index of the selected setting.
        rule: Name of the rule.
        warnings: Sentences that say why the choice may be unreliable.
    """

    settings: tuple[SettingSummary, ...]
    scores: NDArray[np.float64]
    gains: NDArray[np.float64]
    chosen: int
    rule: str
    warnings: tuple[str, ...]

    @property
    def setting(self) -> Any:
        """The selected setting, as it was given."""
        return self.settings[self.chosen].setting

    @property
    def reason(self) -> str:
        """The reason for the choice in words, with the warnings."""
        best = self.settings[self.chosen]
        parts = [
            f"setting {_format_setting(best.setting)} ({best.edges:.4g} edges) has the highest score of the rule "
            f"{self.rule!r}, {self.scores[self.chosen]:.3g}: {self.gains[self.chosen]:.0%} of the gain in held-out ELBO"
        ]
        if best.udr is not None:
            parts.append(f"; stability across seeds {best.udr:.2f}")
        others = [k for k in range(len(self.settings)) if k != self.chosen]
        if others:
            second = max(others, key=lambda k: self.scores[k])
            runner_up = _format_setting(self.settings[second].setting)
            parts.append(f"; the next best setting is {runner_up} with {self.scores[second]:.3g}")
        return "".join(parts) + "".join(f". {warning}" for warning in self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary that JSON can hold if it can hold the settings."""
        return {
            "format": "mechsparse-selection",
            "version": 1,
            "setting": self.setting,
            "rule": self.rule,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "settings": [
                {**asdict(summary), "score": float(score), "gain": float(gain)}
                for summary, score, gain in zip(self.settings, self.scores, self.gains, strict=True)
            ],
        }

    def __repr__(self) -> str:
        return (
            f"Selection({_format_setting(self.setting)} of {len(self.settings)} settings, by {self.rule!r})"
        )


@default_errors
def select(runs: Iterable[object], rule: str | Rule = DEFAULT_RULE) -> Selection:
    """Select the sparsity without ground truth, from runs with several settings and seeds.

    Args:
        runs: Mappings or objects with ``setting``, ``seed``, ``edges``, ``negative_elbo`` (held out) and, where known,
            ``udr``. `measure_runs` computes them from trained models.
        rule: Name of a rule, or a function that returns a score for each summary. ``"elbow_and_stability"`` selects
            the elbow of the held-out ELBO where the seeds agree, ``"elbow"`` the elbow alone, ``"udr"`` the highest
            agreement of the seeds, as published, and ``"elbo"`` the highest held-out ELBO. See
            `estimation.selection.rules`.

    Returns:
        The selection, with all scores and the reason.

    Raises:
        ConfigError: If the rule is unknown, or does not return a finite score for each setting.
        DataError: If a run lacks a value, or no run of a setting has a finite ELBO.

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
    name, score_settings = _resolve_rule(rule)
    settings = summarise(read_runs(runs))
    if len(settings) < 2:
        raise DataError(
            f"all runs have the setting {settings[0].setting!r}; selection needs two settings or more"
        )
    scores = _check_scores(score_settings(settings), len(settings), name)
    gains = relative_gains(settings)
    best = _best_index(scores, gains)
    return Selection(settings, scores, gains, best, name, _warnings(settings, gains, best, name))


def _best_index(scores: NDArray[np.float64], gains: NDArray[np.float64]) -> int:
    """Return the index of the highest score; ties go to the larger gain, then to fewer edges."""
    ties = np.flatnonzero(scores == scores.max())
    return int(ties[np.argmax(gains[ties])])


def _resolve_rule(rule: str | Rule) -> tuple[str, Rule]:
    """Return the name of a rule and the function that computes its scores."""
    if isinstance(rule, str) and (name := canonical_name(rule)) in RULES:
        return name, RULES[name]
    if isinstance(rule, str) or not callable(rule):
        raise ConfigError(f"the rule is {rule!r}; it must be one of {', '.join(RULES)}, or a function")
    return getattr(rule, "__name__", "custom"), rule


def _check_scores(scores: object, n_settings: int, name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(scores, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n_settings,) or not np.isfinite(array).all():
        raise ConfigError(
            f"the rule {name!r} must return a finite score for each of the {n_settings} settings"
        )
    return array


def _warnings(
    settings: Sequence[SettingSummary], gains: NDArray[np.float64], best: int, rule: str
) -> tuple[str, ...]:
    warnings = []
    if rule in ("elbow_and_stability", "elbow"):
        if len(settings) < _MIN_SETTINGS_FOR_ELBOW:
            warnings.append("Two settings show no elbow: add settings between and beyond them")
        elif best == 0 and gains.any():
            warnings.append(
                "The sparsest setting was chosen: add sparser settings, at least one of them clearly too sparse"
            )
        elif best == len(settings) - 1:
            warnings.append("The ELBO improves up to the densest setting: add denser settings")
    if rule == "elbow_and_stability" and any(summary.udr is None for summary in settings):
        warnings.append("Some settings have only one seed, so the score leaves out stability")
    n_failed = sum(summary.n_failed for summary in settings)
    if n_failed:
        warnings.append(f"Runs without a finite ELBO were left out: {n_failed}")
    return tuple(warnings)


def _format_setting(setting: object) -> str:
    return setting if isinstance(setting, str) else repr(setting)
