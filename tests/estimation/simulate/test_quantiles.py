"""Quantiles of log-densities against the cumulative distribution functions of scipy, and against its quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Rational, erf, exp, log, sqrt

from estimation.simulate.log_densities import compile_log_density
from estimation.simulate.panels import NotIntegrableError, UndefinedError, integrate
from estimation.simulate.quantiles import Quantiles
from identify.mechanisms import (
    exponential_family,
    gaussian,
    laplace,
    logistic,
    mixture,
    skew_normal,
    student_t,
)

z, a = sympy.symbols("z a", real=True)
LEVELS = np.linspace(1e-4, 1 - 1e-4, 501)
# the accuracy that `integrate` promises
ACCURACY = 1e-5


def quantiles_of(log_density: Any, value: float) -> Any:
    density = compile_log_density(sympy.sympify(log_density), z, [a])
    conditions = np.full((1, len(density.used)), float(value))
    panels = integrate(lambda at, rows: density(at, conditions[rows]), 1)
    return Quantiles(panels, 1)(np.zeros(len(LEVELS), dtype=int), LEVELS)


def normal(at: Any, mean: float, scale: float) -> Any:
    return scipy.stats.norm.cdf(at, mean, scale)


KNOWN: dict[str, tuple[Any, Callable[[Any, float], Any], tuple[float, ...]]] = {
    "normal": (
        mixture([1, 1], [gaussian(z, a, 4), gaussian(z, a, 4)]),
        lambda q, v: normal(q, v, 2),
        (0, 3, -200),
    ),
    "laplace": (
        laplace(z, 3 * a, exp(a)),
        lambda q, v: scipy.stats.laplace.cdf(q, 3 * v, np.exp(v)),
        (0.3, -8),
    ),
    "narrow": (laplace(z, a, Rational(1, 10**4)), lambda q, v: scipy.stats.laplace.cdf(q, v, 1e-4), (5, 1e5)),
    "wide": (laplace(z, a, 10**20), lambda q, v: scipy.stats.laplace.cdf(q, v, 1e20), (0,)),
    "logistic": (logistic(z, a, exp(a)), lambda q, v: scipy.stats.logistic.cdf(q, v, np.exp(v)), (0, 6, -9)),
    "t with 3 degrees": (student_t(z, a, 2), lambda q, v: scipy.stats.t.cdf(q, 3, v, 2), (0, 100, -1e6)),
    "t with few degrees": (
        student_t(z, a, 1, Rational(1, 2)),
        lambda q, v: scipy.stats.t.cdf(q, 0.5, v),
        (0, 50),
    ),
    "t with a changing shape": (student_t(z, 0, 1, a), scipy.stats.t.cdf, (0.7, 5, 300)),
    "skew normal": (skew_normal(z, 1, 2, a), lambda q, v: scipy.stats.skewnorm.cdf(q, v, 1, 2), (0, 3, -40)),
    "two narrow modes": (
        mixture([1, 2], [gaussian(z, a - 1, Rational(1, 10**4)), gaussian(z, a + 1, Rational(1, 10**4))]),
        lambda q, v: (normal(q, v - 1, 0.01) + 2 * normal(q, v + 1, 0.01)) / 3,
        (0, 0.37, 70),
    ),
    "a spike on a slab": (
        mixture([1, 1], [gaussian(z, a, Rational(1, 10**8)), student_t(z, 0)]),
        lambda q, v: (normal(q, v, 1e-4) + scipy.stats.t.cdf(q, 3)) / 2,
        (0, 0.123, -4),
    ),
    "four scales": (
        mixture([1, 2, 3, 4], [gaussian(z, k * a, Rational(1, 10**k)) for k in range(4)]),
        lambda q, v: sum((k + 1) * normal(q, k * v, 10 ** (-k / 2)) for k in range(4)) / 10,
        (0, 1.3),
    ),
    "mixture of mixtures": (
        mixture([1, 2], [mixture([0.5, 0.5], [gaussian(z, 2), gaussian(z, 5, 0.01)]), logistic(z, a)]),
        lambda q, v: (normal(q, 2, 1) / 2 + normal(q, 5, 0.1) / 2 + 2 * scipy.stats.logistic.cdf(q, v)) / 3,
        (0, 9),
    ),
    "gamma": (
        exponential_family(z, [log(z), z], [a - 1, -2]),
        lambda q, v: scipy.stats.gamma.cdf(q, v, scale=0.5),
        (0.1, 0.5, 1, 2, 1e4),
    ),
    "beta": (
        exponential_family(z, [log(z), log(1 - z)], [a, 2]),
        lambda q, v: scipy.stats.beta.cdf(q, v + 1, 3),
        (1, -0.5, 40),
    ),
    "uniform": (
        sympy.Piecewise((0, Abs(z) <= a), (-sympy.oo, True)),
        lambda q, v: scipy.stats.uniform.cdf(q, -v, 2 * v),
        (0.1, 1e3),
    ),
    "half normal": (
        sympy.Piecewise((-(z**2) / 2, z >= 0), (-sympy.oo, True)),
        lambda q, v: scipy.stats.halfnorm.cdf(q),
        (0,),
    ),
    "log-normal": (
        -log(z) - (log(z) - a) ** 2 / 2,
        lambda q, v: scipy.stats.lognorm.cdf(q, 1, scale=np.exp(v)),
        (0, -5, 20),
    ),
    "gumbel": (a - z - exp(a - z), scipy.stats.gumbel_r.cdf, (0, -100)),
    "generalised normal": (-(Abs(z) ** a), scipy.stats.gennorm.cdf, (0.3, 1, 2, 8)),
    "quartic far away": (-((z - a) ** 4), lambda q, v: scipy.stats.gennorm.cdf(q - v, 4), (0, 50)),
    "pole": (
        -Abs(z - 2) - log(Abs(z - 2)) / 2,
        lambda q, v: (1 + np.sign(q - 2) * scipy.stats.gamma.cdf(np.abs(q - 2), 0.5)) / 2,
        (0,),
    ),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, _, values) in KNOWN.items() for value in values]
)
def test_quantiles_agree_with_scipy(name: str, value: float) -> None:
    log_density, cdf, _ = KNOWN[name]
    found = quantiles_of(log_density, value)
    assert (np.diff(found) >= 0).all()
    assert np.abs(cdf(found, value) - LEVELS).max() < ACCURACY


def by_quadrature(log_density: Any, at: Any, low: float, high: float) -> Any:
    """Return the cumulative distribution function at three points by scipy's quadrature of the expression itself."""
    density = sympy.lambdify(z, sympy.exp(log_density), "scipy")
    total = scipy.integrate.quad(density, low, high, limit=500, epsabs=1e-10)[0]
    return [scipy.integrate.quad(density, low, q, limit=500, epsabs=1e-10)[0] / total for q in at]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.floats(-2, 2),
    st.floats(0.1, 2),
    st.sampled_from(["quartic", "bumps", "skewed mixture"]),
)
def test_quantiles_agree_with_quadrature(
    natural: list[float], centre: float, scale: float, kind: str
) -> None:
    first, second, third = (Rational(round(1000 * value), 1000) for value in natural)
    location, width = Rational(round(1000 * centre), 1000), Rational(round(1000 * scale), 1000)
    log_density = {
        "quartic": exponential_family(z, [z, z**2, z**3, z**4], [first, second, third, -1]),
        "bumps": -((z - location) ** 2) / (2 * width) + first * sympy.cos(4 * z) + second * sympy.sin(z),
        "skewed mixture": mixture(
            [1, exp(first)], [skew_normal(z, location, width, 3 * second), logistic(z, third)]
        ),
    }[kind]
    found, chosen = quantiles_of(log_density, 0), [25, 250, 475]
    differences = by_quadrature(log_density, found[chosen], -30, 30) - LEVELS[chosen]
    assert np.abs(differences).max() < ACCURACY


@pytest.mark.parametrize(
    "log_density",
    [
        a + 0 * z + sympy.Max(0, -z),
        sympy.Max(z, 0),
        z**3,
        -log(z) - z,
        -log(1 + z**2) / 2,
        exp(z),
        z**22 - z**20,
        -2 * log(Abs(z - 2)) - z**2,
        1 / z - z**2,
        -sqrt(Abs(a)) * Abs(z),
    ],
    ids=str,
)
def test_densities_without_a_finite_integral_are_refused(log_density: Any) -> None:
    with pytest.raises(NotIntegrableError):
        quantiles_of(log_density, 0)


def test_a_density_that_is_nowhere_defined_is_refused() -> None:
    with pytest.raises(UndefinedError):
        quantiles_of(-sqrt(a) * Abs(z), -1)


def test_the_rows_without_a_finite_integral_are_named() -> None:
    slopes = np.array([1.0, -1.0, 2.0, -0.5])
    with pytest.raises(NotIntegrableError) as caught:
        integrate(lambda at, rows: -slopes[rows][None] * np.abs(at)[None], 4)
    assert caught.value.rows.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("log_density", "n_components"),
    [
        (mixture([1, 2], [gaussian(z, a), laplace(z, -a)]), 2),
        (mixture([1, exp(a), 2], [student_t(z, a), logistic(z, -a), gaussian(z, 0)]), 3),
        (mixture([1, 1], [mixture([1, 1], [gaussian(z, a), gaussian(z, 0)]), gaussian(z, 1)]), 3),
        (logistic(z, a), 1),
        (skew_normal(z, a, 1, 2), 1),
        (log(z + 1) - z, 1),
    ],
    ids=str,
)
def test_components_add_up_to_the_density(log_density: Any, n_components: int) -> None:
    density = compile_log_density(log_density, z, [a])
    at = np.linspace(-0.9, 3, 7)
    values = density(at, np.full((7, 1), 0.7)[:, list(density.used)])
    expected = [float(sympy.exp(log_density.subs({z: point, a: 0.7}))) for point in at]
    assert len(values) == n_components
    assert np.exp(values).sum(0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("log_density", "at", "expected"),
    [
        (logistic(z, 0), [800.0, -800.0], [-800.0, -800.0]),
        (mixture([1, 1], [gaussian(z, 0), gaussian(z, 1)]), [100.0], [-4900.5 - np.log(2 * np.pi) / 2]),
        (skew_normal(z, 0, 1, 1), [-50.0], [-2504.831]),
        (log(1 + erf(z)), [-30.0], [-903.974]),
    ],
    ids=str,
)
def test_log_densities_do_not_underflow(log_density: Any, at: list[float], expected: list[float]) -> None:
    density = compile_log_density(log_density, z, [])
    values = np.logaddexp.reduce(density(np.array(at), np.zeros((len(at), 0))), axis=0)
    assert values == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("log_density", "is_normal"),
    [
        (gaussian(z, a, exp(a)), True),
        (a * z - z**2, True),
        (gaussian(z, 0) + Abs(z), False),
        # the derivatives of these don't contain the latent, although the densities have pieces
        (sympy.Piecewise((0, Abs(z) < 1), (-sympy.oo, True)), False),
        (sympy.Piecewise((-(z**2), z > 0), (-(z**2) - 5, True)), False),
        (gaussian(z, 0) + sympy.Heaviside(z), False),
    ],
    ids=str,
)
def test_normal_densities_are_recognised(log_density: Any, is_normal: bool) -> None:
    assert (compile_log_density(log_density, z, [a]).gaussian is not None) == is_normal
