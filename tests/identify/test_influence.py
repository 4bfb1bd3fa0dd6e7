"""Sufficient influence: cases worked out by hand, the published processes, and certificates that verify."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.catalog import load
from identify.exceptions import RequestError, UnknownNameError
from identify.influence import InfluenceReport, check_influence
from identify.mechanisms import (
    Mechanisms,
    exponential_family,
    gaussian,
    laplace,
    logistic,
    mixture,
    student_t,
)
from identify.proof.independence import Dependent, Independent
from tests.identify.processes import NAMES, process

a, b, c = sympy.symbols("a b c")
z0, z1, z2, p0, p1, q0, q1 = sympy.symbols("z0 z1 z2 p0 p1 q0 q1")
sin, cos, exp, log = sympy.sin, sympy.cos, sympy.exp, sympy.log


def means(*expressions: Any, actions: Any = (a,), past: Any = (), **options: Any) -> Mechanisms:
    latents = (z0, z1, z2)[: len(expressions)]
    densities = [gaussian(z, mean) for z, mean in zip(latents, expressions, strict=True)]
    return Mechanisms(latents, densities, actions, past, **options)


def verified(report: InfluenceReport) -> InfluenceReport:
    """Check that every answer for a cause with children has a certificate of its kind, which verifies."""
    for influence in report.all:
        if influence.status == "holds" and "no children" not in influence.reason:
            assert isinstance(influence.certificate, Independent)
        if influence.status == "fails":
            assert isinstance(influence.certificate, Dependent)
            assert influence.repairs
        if influence.certificate is not None:
            assert influence.certificate.verify()
    return report


BY_HAND = [
    ("sines of different frequency", means(sin(a), sin(2 * a)), "holds"),
    ("a linear mean, one child", means(2 * a), "holds"),
    ("linear means, two children", means(2 * a, 3 * a), "fails"),
    ("affine copies", means(sin(a), 2 * sin(a) + 1), "fails"),
    ("sin^2 and cos^2", means(sin(a) ** 2, cos(a) ** 2), "fails"),
    ("logarithms of powers", means(log(1 + a**2), log((1 + a**2) ** 3)), "fails"),
    ("shifted exponentials", means(exp(a), exp(a + 2)), "fails"),
    ("exponentials", means(exp(a), exp(2 * a)), "holds"),
    ("three children in a plane", means(sin(a), cos(a), sin(a + 1)), "fails"),
    ("scaled by the past", means(a * p0, a * p1, past=(p0, p1)), "holds"),
    ("scaled by the same past", means(a * p0, 2 * a * p0, past=(p0, p1)), "fails"),
    ("interaction", means(a * b, a, actions=(a, b)), "holds"),
    ("an action without children", means(b, sin(b), actions=(a, b)), "holds"),
    ("indicator, one target", means(a, action_values={a: [0, 1]}), "holds"),
    ("indicator, two targets", means(a, 2 * a, action_values={a: [0, 1]}), "fails"),
    ("indicator, two targets and a past", means(a * p0, 2 * a, past=(p0, p1), action_values={a: [0, 1]}), "holds"),
    ("indicator, two targets, additive past", means(a + p0, 2 * a, past=(p0, p1), action_values={a: [0, 1]}), "fails"),
    ("three values in a line", means(a, 2 * a, action_values={a: [0, 1, 2]}), "fails"),
    ("three values out of line", means(a, a**2, action_values={a: [0, 1, 2]}), "holds"),
    ("values where a wave vanishes", means(sin(sympy.pi * a), a, action_values={a: [0, 1, 2]}), "holds"),
    (
        "two indicators that interact",
        means(a * b + a, 2 * a, actions=(a, b), action_values={a: [0, 1], b: [0, 1]}),
        "holds",
    ),
    (
        "two indicators that add up",
        means(a + b, 2 * a, actions=(a, b), action_values={a: [0, 1], b: [0, 1]}),
        "fails",
    ),
    (
        "equal variances",
        Mechanisms([z0, z1], [gaussian(z0, 0, exp(a)), gaussian(z1, 0, exp(a))], [a]),
        "fails",
    ),
    (
        "different variances",
        Mechanisms([z0, z1], [gaussian(z0, 0, exp(a)), gaussian(z1, 0, exp(2 * a))], [a]),
        "holds",
    ),
    ("a constant only", Mechanisms([z0], [gaussian(z0, 0) + log(1 + a**2)], [a]), "holds"),
    (
        "mixtures",
        Mechanisms(
            [z0, z1],
            [
                mixture([1, 1], [gaussian(z0, a), gaussian(z0, -2 * a)]),
                mixture([1, 2], [gaussian(z1, a), gaussian(z1, 3)]),
            ],
            [a],
        ),
        "holds",
    ),
    ("logistic", Mechanisms([z0, z1], [logistic(z0, a), logistic(z1, 2 * a)], [a]), "holds"),
    ("Student", Mechanisms([z0, z1], [student_t(z0, a), student_t(z1, a)], [a]), "holds"),
    ("Laplace has no second derivative", Mechanisms([z0, z1], [laplace(z0, a), laplace(z1, a)], [a]), "undecided"),
    (
        "exponential family",
        Mechanisms([z0, z1], [exponential_family(z, [z, -(z**4)], [sin(a), 1]) for z in (z0, z1)], [a]),
        "fails",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mechanisms", "status"), [case[1:] for case in BY_HAND], ids=[case[0] for case in BY_HAND]
)
def test_actions_worked_out_by_hand(mechanisms: Mechanisms, status: str) -> None:
    influence = verified(check_influence(mechanisms)).actions[a]
    assert influence.status == status


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("Action")])
def test_published_actions_have_influence(name: str) -> None:
    report = verified(check_influence(process(name)))
    assert report
    assert process(name).graph == load(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("Time")])
def test_published_time_has_influence_as_an_exponential_family(name: str) -> None:
    mechanisms = process(name)
    assert mechanisms.graph == load(name)
    exponential = verified(check_influence(mechanisms, "exponential"))
    assert exponential
    assert exponential.sufficient_variability is not None
    nonparametric = verified(check_influence(mechanisms))
    assert nonparametric.past is not None
    assert nonparametric.past.status == "fails"
    assert "there is one matrix of second derivatives at every z" in nonparametric.past.reason
    assert any("family='exponential'" in repair for repair in nonparametric.past.repairs)


def test_published_violations_fail() -> None:
    report = verified(check_influence(process("ActionNonDiag_NoSuffInf")))
    assert {influence.status for influence in report.actions.values()} == {"fails"}
    report = verified(check_influence(process("TimeNonDiag_NoSuffInf"), "exponential"))
    assert report.past is not None
    assert report.past.status == "fails"
    # the latents are still identified up to a linear map
    assert report.sufficient_variability


def test_state_dependent_variance_is_decided() -> None:
    assert verified(check_influence(process("ActionNonDiag_StateDep")))
    with pytest.raises(RequestError, match="family is 'gaussian'"):
        check_influence(process("ActionDiag"), "gaussian")  # type: ignore[arg-type]
    report = check_influence(process("TimeBlockDiag_StateDep"), "exponential")
    assert report.past is not None
    assert report.past.status == "undecided"
    assert "has 2 sufficient statistics; the theorem for the past needs one each" in report.past.reason


@pytest.mark.parametrize(
    ("mechanisms", "family", "status"),
    [
        (means(sin(p0), actions=(), past=(p0,)), "nonparametric", "holds"),
        (means(sin(p0), sin(p1), actions=(), past=(p0, p1)), "nonparametric", "fails"),
        (means(sin(p0), sin(p1), actions=(), past=(p0, p1)), "exponential", "holds"),
        (means(p0 + p1, p1, actions=(), past=(p0, p1)), "exponential", "fails"),
        (means(a * sin(p0) + p1, p1 * a**2, past=(p0, p1)), "nonparametric", "holds"),
        (means(sin(a), sin(2 * a), past=(p0, p1)), "nonparametric", "holds"),
        # the second lag gives another matrix at the same z, which the first lag can't
        (means(p0 + 2 * q0, p1 + q1, actions=(), past=((p0, p1), (q0, q1))), "nonparametric", "holds"),
        (means(p0 + q0, p1 + q1, actions=(), past=((p0, p1), (q0, q1))), "nonparametric", "fails"),
    ],
)
def test_the_past_worked_out_by_hand(mechanisms: Mechanisms, family: Any, status: str) -> None:
    influence = verified(check_influence(mechanisms, family)).past
    assert influence is not None
    assert influence.status == status


def test_variability_requires_that_every_latent_moves() -> None:
    report = verified(check_influence(means(sin(a), 3), "exponential"))
    assert report.sufficient_variability is not None
    assert report.sufficient_variability.status == "fails"
    assert "nothing moves z1" in report.sufficient_variability.reason
    # one action moves two parameters along a line: no linear identifiability
    report = verified(check_influence(means(a, 2 * a), "exponential"))
    assert report.sufficient_variability is not None
    assert report.sufficient_variability.status == "fails"
    with pytest.raises(RequestError, match="the density of z0 is not recognised as an exponential family"):
        check_influence(Mechanisms([z0], [logistic(z0, a)], [a]), "exponential")


def test_repairs_restore_influence() -> None:
    """Following the repairs of a failing action makes it hold."""
    failing = check_influence(means(2 * a, 3 * a)).actions["a"]
    assert len(failing.repairs) == 3
    assert "a separate action for each of z0 and z1" in failing.repairs
    assert check_influence(means(2 * a, 3 * b, actions=(a, b)))
    assert "an effect of a of another form on one of z0 and z1" in failing.repairs[1]
    assert check_influence(means(2 * a, 3 * a**2))
    assert "interacts with something that varies" in failing.repairs[2]
    assert check_influence(means(2 * a * (1 + p0**2), 3 * a, past=(p0, p1))).actions["a"]
    discrete = check_influence(means(a, 2 * a, action_values={a: [0, 1]})).actions["a"]
    assert "another value of a" in discrete.repairs[1]
    assert check_influence(means(a, a**2, action_values={a: [0, 1, 3]})).actions["a"]


def test_answers_have_text_and_json() -> None:
    report = check_influence(means(2 * a, 3 * a))
    assert str(report).startswith("a: fails; its derivatives move z0 and z1 dependently")
    record = report.to_dict()
    assert record["actions"]["a"]["certificate"] == "(-1) * [z0] + (2/3) * [z1] = 0"
    assert (record["holds"], record["past"]) == (False, None)
    with pytest.raises(UnknownNameError, match="there is no action 'b'; there are a"):
        _ = report.actions[b]
    assert check_influence(means(sin(p0), actions=(), past=(p0,))).to_dict()["past"]["status"] == "holds"


def test_an_undecided_edge_leaves_other_causes_decided() -> None:
    unknown = means(sympy.Function("f")(a), sin(b), actions=(a, b), past=(p0, p1))
    report = check_influence(unknown)
    assert report.actions[b]
    assert report.actions[a].status == "undecided"
    assert "whether a acts on z0 is undecided" in report.actions[a].reason
    unknown = means(sympy.Function("f")(p0), sin(a), past=(p0, p1))
    for family in ("nonparametric", "exponential"):
        past = check_influence(unknown, family).past  # type: ignore[arg-type]
        assert past is not None
        assert past.status == "undecided"


def test_kinks_leave_the_answer_undecided() -> None:
    kinked = Mechanisms([z0], [gaussian(z0, 0, 1) + a * sympy.Abs(z0) * z0], [a])
    influence = check_influence(kinked).actions[a]
    assert influence.status == "undecided"
    assert "not recognised as analytic" in influence.reason


def test_hard_expressions_respect_the_time_limit() -> None:
    hard = sum(sin(sympy.sqrt(k) * a) for k in range(2, 12))
    mechanisms = means(sympy.besselj(0, hard), hard, seconds=0.5)
    start = time.monotonic()
    influence = check_influence(mechanisms, seconds=0.5).actions[a]
    assert time.monotonic() - start < 30
    assert influence.status == "undecided"
    with pytest.raises(RequestError, match="it is a time limit"):
        check_influence(mechanisms, seconds=0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=2, max_size=3))
def test_combinations_of_two_waves(rows: list[list[int]]) -> None:
    """Means that combine two independent waves: influence holds iff the children's rows are independent."""
    effects = [row[0] * sin(a) + row[1] * exp(a) for row in rows]
    moved = [row for row in rows if any(row)]
    influence = verified(check_influence(means(*effects))).actions[a]
    independent = not moved or sympy.Matrix(moved).rank() == len(moved)
    assert influence.status == ("holds" if independent else "fails")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=4, unique=True),
)
def test_environments_by_their_differences(values: list[tuple[int, int]]) -> None:
    """An action whose k-th value sets two means has influence iff the differences of the pairs span the plane."""
    numbers = list(range(len(values)))
    first, second = (
        sympy.interpolate(list(zip(numbers, column, strict=True)), a) for column in zip(*values, strict=True)
    )
    mechanisms = means(first, second, action_values={a: numbers})
    differences = sympy.Matrix([[x - values[0][0], y - values[0][1]] for x, y in values[1:]])
    children = [k for k in range(2) if any(differences[:, k])]
    rank = differences.extract(list(range(differences.rows)), children).rank() if children else 0
    influence = verified(check_influence(mechanisms)).actions[a]
    assert influence.status == ("holds" if rank == len(children) else "fails")
