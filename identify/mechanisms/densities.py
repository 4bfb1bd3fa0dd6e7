"""Log-densities of one latent, written in sympy: the building blocks of `identify.mechanisms.model.Mechanisms`.

Each function takes the symbol of the latent first, then expressions in actions and past latents for the parameters of
the density. The log-densities include the terms that don't contain the latent, so they can be mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from identify.exceptions import RequestError
from identify.proof.balls import enclose, precision
from identify.proof.expressions import expression_text
from identify.proof.substitution import require_small_powers

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["exponential_family", "gaussian", "laplace", "logistic", "mixture", "skew_normal", "student_t"]

_MAX_EXACT_DEGREES = 1_000
_NORMALISER_BITS = 200
_MAX_BITS = 15_000


def gaussian(z: sympy.Symbol, mean: Any, variance: Any = 1) -> sympy.Expr:
    """Return the normal log-density -(z - mean)^2 / (2 variance) - log(2 pi variance) / 2.

    Raises:
        RequestError: If the variance can't be positive.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> sympy.diff(gaussian(z, sympy.sin(a), 2), z)
        -z/2 + sin(a)/2
    """
    import sympy

    variance = _positive(variance, "variance")
    return -((z - mean) ** 2) / (2 * variance) - sympy.log(2 * sympy.pi * variance) / 2


def laplace(z: sympy.Symbol, location: Any, scale: Any = 1) -> sympy.Expr:
    """Return the Laplace log-density -abs(z - location) / scale - log(2 scale).

    Raises:
        RequestError: If the scale can't be positive.
    """
    import sympy

    scale = _positive(scale, "scale")
    return -sympy.Abs(z - location) / scale - sympy.log(2 * scale)


def logistic(z: sympy.Symbol, location: Any, scale: Any = 1) -> sympy.Expr:
    """Return the logistic log-density -u - 2 log(1 + exp(-u)) - log(scale), u = (z - location) / scale.

    Raises:
        RequestError: If the scale can't be positive.
    """
    import sympy

    scale = _positive(scale, "scale")
    u = (z - location) / scale
    return -u - 2 * sympy.log(1 + sympy.exp(-u)) - sympy.log(scale)


def student_t(z: sympy.Symbol, location: Any, scale: Any = 1, freedom: Any = 3) -> sympy.Expr:
    """Return the log-density of Student's t with ``freedom`` degrees of freedom.

    With more than 1,000 degrees of freedom the normaliser, which does not contain z, is a number within 1e-60 of the
    exact one.

    Raises:
        RequestError: If the scale or the degrees of freedom can't be positive.
    """
    import sympy

    scale, degrees = _positive(scale, "scale"), _positive(freedom, "freedom")
    u = (z - location) / scale
    normaliser = _log_gamma_ratio(degrees) - sympy.log(sympy.pi * degrees) / 2
    return normaliser - sympy.log(scale) - (degrees + 1) / 2 * sympy.log(1 + u**2 / degrees)


def skew_normal(z: sympy.Symbol, location: Any, scale: Any = 1, shape: Any = 0) -> sympy.Expr:
    """Return the skew normal log-density -u^2 / 2 + log(1 + erf(shape u / sqrt(2))) - log(2 pi) / 2 - log(scale).

    Here u = (z - location) / scale. The shape is 0 for a normal density, positive for one with a long right tail and
    negative for one with a long left tail (Azzalini 1985). Mean and variance depend on the shape.

    Raises:
        RequestError: If the scale can't be positive.
    """
    import sympy

    scale = _positive(scale, "scale")
    u = (z - location) / scale
    skewness = sympy.log(1 + sympy.erf(shape * u / sympy.sqrt(2)))
    return -(u**2) / 2 + skewness - sympy.log(2 * sympy.pi) / 2 - sympy.log(scale)


def exponential_family(z: sympy.Symbol, statistics: Sequence[Any], natural: Sequence[Any]) -> sympy.Expr:
    """Return sum_k T_k(z) lambda_k, up to the normaliser, which does not contain z; the result can't be mixed.

    Args:
        z: The latent.
        statistics: The sufficient statistics T_k, expressions in z alone.
        natural: The natural parameters lambda_k, expressions without z.

    Raises:
        RequestError: If their numbers differ, a statistic contains another symbol, or a natural parameter contains z.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> exponential_family(z, [z, z**2], [a, -1])
        a*z - z**2
    """
    import sympy

    if not statistics or len(statistics) != len(natural):
        raise RequestError(
            f"{len(statistics)} statistics and {len(natural)} natural parameters; give equally many, at least one"
        )
    total: sympy.Expr = sympy.Integer(0)
    for statistic, parameter in zip(map(sympy.sympify, statistics), map(sympy.sympify, natural), strict=True):
        if statistic.free_symbols - {z}:
            raise RequestError(f"the statistic {expression_text(statistic)} must be a function of {z} alone")
        if z in parameter.free_symbols:
            raise RequestError(f"the natural parameter {expression_text(parameter)} must not contain {z}")
        total += statistic * parameter
    return total


def mixture(weights: Sequence[Any], log_densities: Sequence[Any]) -> sympy.Expr:
    """Return log sum_k weight_k exp(log_density_k).

    Args:
        weights: Positive weights; they may depend on actions and the past, and need not sum to one.
        log_densities: Normalised log-densities, from any builder except `exponential_family`.

    Raises:
        RequestError: If their numbers differ, there are none, or a weight can't be positive.
        TooLargeError: If a density is a power with an exponent above 100,000.
    """
    import sympy

    if not weights or len(weights) != len(log_densities):
        raise RequestError(
            f"{len(weights)} weights for {len(log_densities)} log-densities; give equally many, at least one"
        )
    components = []
    for weight, log_density in zip(weights, log_densities, strict=True):
        density = sympy.exp(log_density)
        require_small_powers(density)
        components.append(_positive(weight, "weight") * density)
    return sympy.log(sympy.Add(*components))


def _log_gamma_ratio(degrees: sympy.Expr) -> sympy.Expr:
    """Return the logarithm of gamma((degrees + 1) / 2) / gamma(degrees / 2)."""
    import sympy

    upper, lower = (degrees + 1) / 2, degrees / 2
    if not (degrees.is_number and degrees > _MAX_EXACT_DEGREES):
        return sympy.loggamma(upper) - sympy.loggamma(lower)
    # sympy would expand the factorial of a large number; the two terms nearly cancel, which costs digits
    mantissa, exponent = enclose(degrees, {}, 64).mid().man_exp()
    n_bits = int(exponent) + int(mantissa).bit_length()
    if n_bits > _MAX_BITS:
        raise RequestError(f"the freedom is {expression_text(degrees)}; it must be below 2**{_MAX_BITS}")
    bits = 256 + 3 * n_bits
    balls = [enclose(sympy.loggamma(half, evaluate=False), {}, bits) for half in (upper, lower)]
    with precision(bits):
        return _round_midpoint(balls[0] - balls[1])


def _round_midpoint(ball: flint.arb) -> sympy.Expr:
    import sympy

    mantissa, exponent = ball.mid().man_exp()
    shift = int(exponent) + _NORMALISER_BITS
    scaled = int(mantissa) << shift if shift >= 0 else int(mantissa) >> -shift
    return sympy.Rational(scaled, 1 << _NORMALISER_BITS)


def _positive(value: Any, name: str) -> sympy.Expr:
    import sympy

    expression: sympy.Expr = sympy.sympify(value)
    if expression.is_nonpositive or expression.is_real is False:
        raise RequestError(f"the {name} is {expression_text(expression)}; it must be positive")
    return expression
