"""Proofs: enclosures against high precision, zeros against mpmath, and relations against planted ones."""

from __future__ import annotations

import time

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from identify.exceptions import RequestError
from identify.proof.analytic import is_analytic
from identify.proof.balls import NotEnclosedError, enclose, excludes_zero
from identify.proof.independence import Dependent, Independent, Undecided, linear_independence
from identify.proof.vanishing import real_symbols, vanishes

a, b, x, y = sympy.symbols("a b x y", real=True)
p = sympy.Symbol("p", positive=True)
POINT = {x: sympy.Rational(1, 3), y: sympy.Rational(-5, 7), p: sympy.Rational(3, 2)}

FUNCTIONS = [
    sympy.sin(x) * sympy.exp(y),
    sympy.log(1 + x**2) / sympy.cos(y),
    sympy.sqrt(p) ** 3 + p ** sympy.Rational(1, 7),
    sympy.atan(x) - sympy.tanh(y) + sympy.erf(x),
    sympy.gamma(p) + sympy.loggamma(p) + sympy.digamma(p),
    sympy.Abs(y) + sympy.sign(y) + sympy.Heaviside(x),
    sympy.Max(x, y, 0) - sympy.Min(x, y),
    sympy.Piecewise((x, x < 0), (y, sympy.And(x > 0, y < 0)), (0, True)),
    sympy.pi * x + sympy.E * y + sympy.Float(0.1),
    sympy.atan2(y, x),
]


@pytest.mark.parametrize("expression", FUNCTIONS, ids=str)
def test_an_enclosure_contains_the_value(expression: sympy.Expr) -> None:
    ball = enclose(expression, POINT, 200)
    value = sympy.N(expression.subs(POINT), 80)
    with mpmath.workdps(80):
        middle = mpmath.mpf(ball.mid().str(75, radius=False))
        assert abs(middle - mpmath.mpf(str(value))) <= mpmath.mpf(10) ** -50


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (1 / (x - sympy.Rational(1, 3)), "may divide by zero"),
        (sympy.log(y), "the argument of a logarithm is not known to be positive"),
        (sympy.sqrt(y), "is not known to be real"),
        (a, "a has no value"),
        (sympy.besselj(0, x), "has no enclosure"),
        (sympy.Function("f")(x), "has no enclosure"),
        (sympy.Piecewise((1, x < 0)), "has no piece there"),
        (sympy.sign(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1), "the sign of a value is too close to call"),
        (
            sympy.Piecewise((1, sympy.sin(x) ** 2 + sympy.cos(x) ** 2 > 1), (0, True)),
            "is too close to call",
        ),
        (sympy.polygamma(2, x), "digamma is the only polygamma function"),
        (sympy.gamma(x - sympy.Rational(1, 3)), "has no finite value there"),
    ],
    ids=str,
)
def test_expressions_without_an_enclosure_are_refused(expression: sympy.Expr, message: str) -> None:
    with pytest.raises(NotEnclosedError, match=message):
        enclose(expression, POINT)


def test_zero_is_not_excluded_by_rounding() -> None:
    assert not excludes_zero(enclose(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1, POINT))
    assert excludes_zero(enclose(sympy.exp(-200 * sympy.pi), {}, 128))


ZERO = [
    sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1,
    sympy.sin(x + y) - sympy.sin(x) * sympy.cos(y) - sympy.cos(x) * sympy.sin(y),
    sympy.cos(3 * x) - 4 * sympy.cos(x) ** 3 + 3 * sympy.cos(x),
    sympy.log((1 + x**2) ** 3) - 3 * sympy.log(1 + x**2),
    sympy.log(p * sympy.exp(x)) - sympy.log(p) - x,
    sympy.log(x**2) - 2 * sympy.log(sympy.Abs(x)),
    sympy.log(1 + sympy.exp(x)) - x - sympy.log(1 + sympy.exp(-x)),
    (x**2 - 1) / (x - 1) - x - 1,
    1 / (1 + sympy.exp(-x)) - sympy.exp(x) / (1 + sympy.exp(x)),
    sympy.tanh(x) - (sympy.exp(2 * x) - 1) / (sympy.exp(2 * x) + 1),
    sympy.Piecewise((x, x > 0), (-x, True)) - sympy.Abs(x),
    sympy.sqrt(1 + 2 * x**2 + x**4) - 1 - x**2,
    sympy.exp(x + 2) - sympy.exp(2) * sympy.exp(x),
    sympy.gamma(p + 1) - p * sympy.gamma(p),
    sympy.log(6) - sympy.log(2) - sympy.log(3),
]


@pytest.mark.parametrize("expression", ZERO, ids=str)
def test_identities_are_proved(expression: sympy.Expr) -> None:
    assert vanishes(expression).answer is True
    # adding a small number is refuted
    answer = vanishes(expression + sympy.Rational(1, 10**12))
    assert answer.answer is False
    assert answer.point is not None
    assert excludes_zero(enclose(expression + sympy.Rational(1, 10**12), answer.point, 1024))


def test_a_step_function_is_refuted() -> None:
    assert vanishes(sympy.Heaviside(x - sympy.Rational(19, 10))).answer is False


def test_a_step_between_several_symbols_is_refuted() -> None:
    location, other, past, latent = sympy.symbols("a a' p z", real=True)
    assert vanishes(sympy.sign(location + past - latent) - sympy.sign(other + past - latent)).answer is False


def test_unknown_functions_are_undecided() -> None:
    answer = vanishes(sympy.Function("f")(x) - sympy.Function("f")(y))
    assert answer.answer is None
    assert "neither a point nor a rewriting decides it" in answer.reason


# an interruption may fall into a callback of the garbage collector, which reports it; the next one follows
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_hard_expressions_respect_the_time_limit() -> None:
    hard = (
        sum(sympy.sin(sympy.sqrt(k) * x) ** 2 + sympy.cos(sympy.sqrt(k) * x) ** 2 for k in range(2, 30)) - 28
    )
    hard = hard * sympy.besselj(0, x)
    start = time.monotonic()
    answer = vanishes(hard, seconds=0.2)
    assert time.monotonic() - start < 5
    assert answer.answer is not False


def test_symbols_are_real() -> None:
    plain, imaginary = sympy.Symbol("u"), sympy.Symbol("v", imaginary=True)
    assert real_symbols([plain, p]) == {plain: sympy.Symbol("u", real=True)}
    with pytest.raises(RequestError, match="the symbol v is declared not to be real"):
        real_symbols([imaginary])


INDEPENDENT = [
    (sympy.sin(a), sympy.sin(2 * a), sympy.cos(a)),
    (sympy.exp(a), sympy.exp(2 * a)),
    (x * sympy.exp(a), x**2 * sympy.exp(2 * a)),
    tuple(sympy.sin((k + 1) * a) for k in range(12)),
    (a, sympy.Abs(a)),
    (a * b, a + b),
]
DEPENDENT = [
    ((sympy.sin(2 * a), -sympy.sin(2 * a)), 2),
    ((sympy.exp(a), sympy.exp(a + 2)), 2),
    ((sympy.log(3) * sympy.cos(a), sympy.cos(a), a), 2),
    ((sympy.sin(a) ** 2, sympy.cos(a) ** 2, sympy.Integer(1)), 3),
    ((x * sympy.exp(a), y**2 * sympy.exp(a)), 2),
    ((a, sympy.Integer(0)), 1),
    ((a, b, a + 2 * b, a * b), 3),
]


@pytest.mark.parametrize("functions", INDEPENDENT, ids=str)
def test_independent_functions_get_points(functions: tuple[sympy.Expr, ...]) -> None:
    names = [f"f{k}" for k in range(len(functions))]
    answer = linear_independence(names, [functions], [x, y], 20)
    assert isinstance(answer, Independent)
    assert answer.verify()
    assert f"at {len(functions)} point" in str(answer)
    # check the determinant in floating-point numbers, from the points alone
    rows = zip(answer.rows, answer.conditions, strict=True)
    matrix = [[sympy.N(part.subs({**answer.generic, **point}), 60) for part in row] for row, point in rows]
    assert abs(sympy.Matrix(matrix).det()) > 1e-45


@pytest.mark.parametrize(("functions", "related"), DEPENDENT, ids=str)
def test_dependent_functions_get_a_relation(functions: tuple[sympy.Expr, ...], related: int) -> None:
    names = [f"f{k}" for k in range(len(functions))]
    answer = linear_independence(names, [functions], [x, y], 20)
    assert isinstance(answer, Dependent)
    assert answer.verify()
    assert len(answer.related) == related
    assert str(answer).endswith("= 0")
    point = {a: 0.3, b: -1.1, x: 0.7, y: 1.9}
    total = sum((w * f).subs(point) for w, f in zip(answer.weights, functions, strict=True))
    assert abs(sympy.N(total)) < 1e-9


def test_a_relation_must_hold_in_every_branch() -> None:
    assert isinstance(linear_independence(["f", "g"], [(a, a), (b, b)], [], 10), Dependent)
    assert isinstance(linear_independence(["f", "g"], [(a, a), (b, 2 * b)], [], 10), Independent)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=3, max_size=3))
def test_combinations_are_independent_iff_their_coefficients_are(rows: list[list[int]]) -> None:
    basis = (sympy.sin(a), sympy.exp(a), a**2)
    functions = tuple(sympy.Add(*(c * f for c, f in zip(row, basis, strict=True))) for row in rows)
    answer = linear_independence(["f", "g", "h"], [functions], [], 20)
    kind = Independent if sympy.Matrix(rows).rank() == 3 else Dependent
    assert isinstance(answer, kind)
    assert answer.verify()


def test_false_certificates_are_not_verified() -> None:
    good = linear_independence(["f", "g"], [(sympy.sin(a), sympy.cos(a))], [], 10)
    assert isinstance(good, Independent)
    same = Independent(good.names, good.rows, (good.conditions[0],) * 2, {}, good.determinant, True)
    assert not same.verify()
    wrong = Dependent(
        ("f", "g"), (sympy.Integer(1), sympy.Integer(-1)), ((sympy.sin(a), sympy.cos(a)),), ("",)
    )
    assert not wrong.verify()
    nothing = Dependent(("f",), (sympy.Integer(0),), ((sympy.sin(a),),), ("",))
    assert not nothing.verify()


def test_functions_without_enclosures_are_undecided() -> None:
    answer = linear_independence(["f", "g"], [(sympy.besselj(0, a), a)], [], 5)
    assert isinstance(answer, Undecided)
    assert "no point was found" in answer.reason


ANALYTIC = [
    x / (1 + x**2), sympy.log(1 + sympy.exp(x)), sympy.sin(x) / x, sympy.tan(x * y), sympy.sqrt(1 + x**2),
    sympy.log(p) / p, sympy.exp(x) ** y, sympy.Abs(a) * x, p**sympy.Rational(1, 3), sympy.gamma(1 + x**2),
]  # fmt: skip
NOT_ANALYTIC = [
    sympy.Abs(x), sympy.atan(1 / x) + sympy.atan(x), sympy.asin(sympy.sin(x)), sympy.atan(sympy.tan(x)),
    sympy.tanh(1 / x), (x**2 * (x - 1) ** 2) ** sympy.Rational(1, 3), sympy.log(x**2), sympy.sign(x), sympy.Max(x, y),
    sympy.atan2(x, y),
    sympy.Piecewise((x, x > 0), (0, True)), sympy.Function("f")(x), sympy.floor(x),
]  # fmt: skip


@pytest.mark.parametrize("expression", ANALYTIC, ids=str)
def test_analytic_functions_and_quotients_are_recognised(expression: sympy.Expr) -> None:
    assert is_analytic(expression, [x, y, p])


@pytest.mark.parametrize("expression", NOT_ANALYTIC, ids=str)
def test_functions_with_kinks_or_jumps_are_not_analytic(expression: sympy.Expr) -> None:
    assert not is_analytic(expression, [x, y, p])
    assert not is_analytic(sympy.exp(x) + sympy.tanh(expression), [x, y, p])


def test_a_determinant_that_vanishes_on_one_side_proves_nothing() -> None:
    """atan(x) + atan(1/x) - pi/2 is zero for positive x, and -pi for negative."""
    step = sympy.atan(x) + sympy.atan(1 / x) - sympy.pi / 2
    answer = linear_independence(["f", "g"], [(a * step, a**2)], [x], 10)
    assert not isinstance(answer, Independent) or not answer.analytic


def test_kinks_in_generic_symbols_are_not_analytic() -> None:
    answer = linear_independence(["f", "g"], [(a * sympy.Abs(x), a**2)], [x], 10)
    assert isinstance(answer, Independent)
    assert not answer.analytic
