"""The results of the test of influence: `ActionInfluence` for one action, `InfluenceTest` for all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from estimation.influence.joint import JointTest, shown_joint_influence, undecided
from estimation.influence.leakage import EffectWithoutEdge, Leakage
from estimation.influence.rank import RankTest
from estimation.influence.shapes import ShapeTest
from identify.graph import CausalGraph
from identify.wording import plural

__all__ = ["ActionInfluence", "InfluenceTest", "Verdict"]

Verdict = Literal["holds", "fails", "undecided"]

# time limit of the decision on joint influence
_JOINT_SECONDS = 10.0


@dataclass(frozen=True, eq=False, repr=False)
class ActionInfluence:
    """Whether one action moves every direction of its children, judged from held-out data.

    Attributes:
        action: Name of the action.
        children: Names of its k children.
        level: Level of the verdict and of the interval.
        tolerance: Effects that are proportional up to this fraction count as proportional.
        tests: The rank test of effects on means with all features, and, from a trained model, the one with the
            predicted effects only; empty without children.
        shape: The rank test of effects on means, variances or shapes, if it was asked for.
        limit: Why the action can't move its children independently, whatever its effects are; empty if it can.
        leakage: Effects of actions on latents without an edge. Effects count as independent only beyond their size,
            unless the tolerance is 0.
    """

    action: str
    children: tuple[str, ...]
    level: float
    tolerance: float
    tests: tuple[RankTest, ...] = ()
    shape: ShapeTest | None = None
    limit: str = ""
    leakage: Leakage = field(default_factory=Leakage)

    @property
    def contradictions(self) -> tuple[EffectWithoutEdge, ...]:
        """Effects without an edge that contradict the graph; they leave p-values at 1 and the verdict undecided.

        Any of them matters if there are several children: effects on them may then look independent because latents
        are mixed. If there is one child, only other effects of the same action matter. With tolerance 0, none does.
        """
        if not self.tolerance:
            return ()
        everywhere = len(self.children) > 1
        return tuple(
            effect for effect in self.leakage.contradictions if everywhere or effect.action == self.action
        )

    @property
    def p_value(self) -> float:
        """The p-value of the hypothesis that influence fails; a small value is evidence for sufficient influence.

        Influence fails if some direction of the children is moved by no more than the tolerance or the leakage.
        """
        if self.limit or self.contradictions:
            return 1.0
        if not self.tests:
            return 0.0
        values = [test.p_value_beyond(self._distortion * test.scale) for test in self._all_tests]
        # Bonferroni's correction
        return min(1.0, len(values) * min(values))

    @property
    def p_value_against(self) -> float:
        """The p-value of the hypothesis that every direction is moved by more than the tolerance.

        A small value is evidence against influence. Without a tolerance it is 1, unless `limit` says that influence
        fails: no data can show that an effect is exactly zero.
        """
        if self.limit:
            return 0.0
        if not self.tests or not self.tolerance or self.contradictions:
            return 1.0
        # both the effects on means and those on shapes must be small
        tests = [self.tests[0], *([] if self.shape is None else [self.shape.test])]
        return max(1 - test.p_value_beyond(self.tolerance * test.own_scale) for test in tests)

    @property
    def verdict(self) -> Verdict:
        """``"holds"`` or ``"fails"`` if the p-value for or against it is at most the level, else ``"undecided"``."""
        if self.p_value <= self.level:
            return "holds"
        return "fails" if self.p_value_against <= self.level else "undecided"

    def n_moved(self, level: float) -> int:
        """Return how many directions of the children the action moves in their means.

        Args:
            level: The number is a lower bound at confidence 1 - level.
        """
        return self.tests[0].n_moved(level, self._distortion) if self.tests else 0

    def most_moved(self, level: float) -> int:
        """Return how many directions of the children the action can move: an upper bound at confidence 1 - level.

        Without evidence it is the number of children, and smaller if the values of the action are too few, or if some
        direction is shown to be moved by less than the tolerance.

        Args:
            level: Level of the p-value against influence.
        """
        if not self.tests:
            return 0
        n_functions = self.tests[0].degrees + len(self.children) - 1
        some_unmoved = not self.limit and self.p_value_against <= level
        return max(1, min(n_functions, len(self.children) - some_unmoved))

    @property
    def margin(self) -> float:
        """The smallest effect in units of noise; infinite without children.

        It is the root mean square of the effect on the direction that is moved least, in standard deviations of the
        direction's noise, corrected for the bias of sampling.
        """
        return self._main_test.margin if self.tests else math.inf

    @property
    def interval(self) -> tuple[float, float]:
        """The confidence interval of the margin, at confidence 1 - level."""
        return self._main_test.interval(self.level) if self.tests else (math.inf, math.inf)

    @property
    def relative(self) -> float:
        """The margin relative to the largest effect on a child, from 0 to 1.

        It is 0 if two effects are proportional, and 1 if all are uncorrelated and equally large or there is one child.
        """
        return self._main_test.margin / self._main_test.scale if self.tests and self._main_test.scale else 1.0

    @property
    def direction(self) -> dict[str, float]:
        """The direction that is moved least: the weight of each child, scaled to noise of variance 1."""
        return dict(zip(self.children, self._main_test.direction.tolist(), strict=True)) if self.tests else {}

    @property
    def statistics(self) -> dict[str, str]:
        """The statistic of each child that margin and direction describe: the mean, unless another is clearer."""
        names = (
            self.shape.statistics if self._shape_is_clearer and self.shape else ("mean",) * len(self.children)
        )
        return dict(zip(self.children, names, strict=True))

    @property
    def _all_tests(self) -> list[RankTest]:
        return [*self.tests, *([] if self.shape is None else [self.shape.test])]

    @property
    def _shape_is_clearer(self) -> bool:
        """Whether the evidence for influence is in variances or shapes, and not in means."""
        if self.shape is None or set(self.shape.statistics) == {"mean"}:
            return False
        *means, shape = (test.p_value_beyond(self._distortion * test.scale) for test in self._all_tests)
        return shape <= self.level / len(self._all_tests) < min(means)

    @property
    def _main_test(self) -> RankTest:
        return self.shape.test if self.shape is not None and self._shape_is_clearer else self.tests[0]

    @property
    def _distortion(self) -> float:
        """The fraction up to which distortion may make proportional effects look independent."""
        # of one child there is one direction, which no distortion creates
        is_distorted = self.tolerance > 0 and len(self.children) > 1
        return max(self.tolerance, self.leakage.size) if is_distorted else self.tolerance

    @property
    def tolerated(self) -> float:
        """The margin up to which distortion may make proportional effects look independent; 0 without children."""
        return self._distortion * self._main_test.scale if self.tests else 0.0

    @property
    def least_moved(self) -> str:
        """The direction that is moved least, as a formula; empty without children."""
        if not self.tests:
            return ""
        names = {
            child: child if name == "mean" else f"the {name} of {child}"
            for child, name in self.statistics.items()
        }
        if len(names) == 1:
            return names[self.children[0]]
        return _combination({names[child]: weight for child, weight in self.direction.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-compatible data."""
        finite = bool(self.tests)
        return {
            "children": list(self.children),
            "verdict": self.verdict,
            "p_value": self.p_value,
            "p_value_against": self.p_value_against,
            "margin": self.margin if finite else None,
            "interval": list(self.interval) if finite else None,
            "relative": self.relative,
            "direction": self.direction,
            "statistics": self.statistics,
            "reason": self.reason,
        }

    @property
    def reason(self) -> str:
        """One sentence that explains the verdict."""
        if self.limit:
            return self.limit
        if self.contradictions:
            return f"the data contradict the graph: {self.contradictions[0]}"
        if not self.tests:
            return "it has no children"
        low, high = self.interval
        what = self.least_moved if len(self.children) == 1 else f"the direction {self.least_moved}"
        return f"{what} is moved by {self.margin:.3g} times its noise (from {low:.3g} to {high:.3g})"

    def __str__(self) -> str:
        return f"{self.action}: {self.verdict} (p = {self.p_value:.2g}); {self.reason}"

    def __repr__(self) -> str:
        return f"ActionInfluence({self})"


@dataclass(frozen=True, eq=False, repr=False)
class InfluenceTest(Mapping[str, ActionInfluence]):
    """The test of influence of all actions, by name.

    Attributes:
        actions: The result for each action.
        n_rows: Number of rows of data.
        level: Level of the verdicts.
        tolerance: Effects that are proportional up to this fraction count as proportional.
        graph: The graph whose edges were tested.
        notes: What restricts the conclusions, in sentences.
        leakage: Effects of actions on latents without an edge.
    """

    actions: Mapping[str, ActionInfluence]
    n_rows: int
    level: float
    tolerance: float
    graph: CausalGraph
    notes: tuple[str, ...] = ()
    leakage: Leakage = field(default_factory=Leakage)

    def __getitem__(self, name: str) -> ActionInfluence:
        return self.actions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.actions)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def p_value(self) -> float:
        """The p-value of the hypothesis that influence fails for some action: the largest of all.

        It needs no correction, because the hypothesis is a union (Berger 1982, intersection-union tests).
        """
        return max((action.p_value for action in self.actions.values()), default=0.0)

    @property
    def sufficient(self) -> tuple[str, ...]:
        """Names of the actions whose influence holds."""
        return tuple(name for name, action in self.actions.items() if action.verdict == "holds")

    @cached_property
    def joint(self) -> JointTest:
        """Joint influence of all tested actions, with the number of directions that the data show each to move.

        Where influence fails for single actions, all actions together may still determine the latents. The numbers are
        bounds at level / number of actions, so that all of them hold together at the level (Bonferroni's correction).
        Joint influence holds if it does for the lower bounds and all larger numbers, and fails if it does for the upper
        bounds. Within the directions, effects are taken to be generic. If the data contradict the graph, it is
        undecided.
        """
        level = self.level / max(len(self), 1)
        least = {name: action.n_moved(level) for name, action in self.actions.items()}
        most = {name: action.most_moved(level) for name, action in self.actions.items()}
        strengths = [
            self.actions[name].tests[0].strengths[rank - 1] for name, rank in least.items() if rank > 0
        ]
        contradictions = self.leakage.contradictions if self.tolerance else ()
        answer = (
            undecided(self.graph, f"the data contradict the graph: {contradictions[0]}")
            if contradictions
            else shown_joint_influence(self.graph, least, most, _JOINT_SECONDS)
        )
        return JointTest(least, most, answer, float(min(strengths, default=0.0)))

    @property
    def summary(self) -> str:
        """One sentence: for which actions influence holds."""
        counts = Counter(action.verdict for action in self.actions.values())
        parts = [f"holds for {counts['holds']} of {plural(len(self), 'action')}"]
        parts += [f"{verdict} for {counts[verdict]}" for verdict in ("fails", "undecided") if counts[verdict]]
        parts = [part.replace("undecided", "is undecided") for part in parts]
        return f"influence {', '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-compatible data."""
        return {
            "rows": self.n_rows,
            "level": self.level,
            "tolerance": self.tolerance,
            "leakage": self.leakage.to_dict(),
            "p_value": self.p_value,
            "actions": {name: action.to_dict() for name, action in self.actions.items()},
            "joint": self.joint.to_dict(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join(
            [*map(str, self.actions.values()), str(self.joint), *(f"note: {note}" for note in self.notes)]
        )

    def __repr__(self) -> str:
        return f"InfluenceTest({len(self)} actions, {self.n_rows} rows, p = {self.p_value:.2g})"


def _combination(direction: Mapping[str, float]) -> str:
    """Return a direction as a formula with largest coefficient 1."""
    largest = max(direction.values(), key=abs)
    terms = [(value / largest, name) for name, value in direction.items()]
    text = ""
    for value, name in terms:
        size = "" if abs(value) > 0.995 else f"{abs(value):.2g} "
        sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
        text += f"{sign}{size}{name}"
    return text
