"""Log-densities of one latent, written in sympy; the building blocks of `identify.mechanisms.model.Mechanisms`.

Each takes the symbol of the latent first and expressions in actions and past latents for its parameters. They are
complete, with the terms that don't contain the latent, so that they can be mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from identify.exceptions import RequestError
from identify.proof.balls import enclose, precision
from identify.proof.substitution import require_small_powers
from identify.proof.words import in_words

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["exponential_family", "gaussian", "laplace", "logistic", "mixture", "student_t"]

_MANY_DEGREES = 1_000
_BITS_KEPT = 200
_MOST_BITS = 15_000


def gaussian(z: sympy.Symbol, mean: Any, variance: Any = 1) -> sympy.Expr:
    """Normal: -(z - mean)^2 / (2 variance) - log(2 pi variance) / 2.

    Raises:
        RequestError: If a variance that can't be positive.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> sympy.diff(gaussian(z, sympy.sin(a), 2), z)
        -z/2 + sin(a)/2
    """
    import sympy

    spread = _positive(variance, "variance")
    return -((z - mean) ** 2) / (2 * spread) - sympy.log(2 * sympy.pi * spread) / 2


def laplace(z: sympy.Symbol, location: Any, scale: Any = 1) -> sympy.Expr:
    """Laplace: -abs(z - location) / scale - log(2 scale).

    Raises:
        RequestError: If a scale that can't be positive.
    """
    import sympy

    width = _positive(scale, "scale")
    return -sympy.Abs(z - location) / width - sympy.log(2 * width)


def logistic(z: sympy.Symbol, location: Any, scale: Any = 1) -> sympy.Expr:
    """Logistic: -u - 2 log(1 + exp(-u)) - log(scale), u = (z - location) / scale.

    Raises:
        RequestError: If a scale that can't be positive.
    """
    import sympy

    width = _positive(scale, "scale")
    u = (z - location) / width
    return -u - 2 * sympy.log(1 + sympy.exp(-u)) - sympy.log(width)


def student_t(z: sympy.Symbol, location: Any, scale: Any = 1, freedom: Any = 3) -> sympy.Expr:
    """Student's t with so many degrees of freedom.

    With more than 1,000 of them the normaliser, which does not contain z, is a number within 1e-60 of the true one.

    Raises:
        RequestError: If a scale or degrees of freedom that can't be positive.
    """
    import sympy

    width, degrees = _positive(scale, "scale"), _positive(freedom, "freedom")
    u = (z - location) / width
    normaliser = _log_gamma_ratio(degrees) - sympy.log(sympy.pi * degrees) / 2
    return normaliser - sympy.log(width) - (degrees + 1) / 2 * sympy.log(1 + u**2 / degrees)


def exponential_family(z: sympy.Symbol, statistics: Sequence[Any], natural: Sequence[Any]) -> sympy.Expr:
    """sum_k T_k(z) lambda_k, up to the normaliser, which does not contain z (so it can't be mixed).

    Args:
        z: The latent.
        statistics: T_k, expressions in z alone.
        natural: lambda_k, expressions without z.

    Raises:
        RequestError: If their numbers differ, a statistic holds another symbol, or a natural parameter holds z.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> exponential_family(z, [z, z**2], [a, -1])
        a*z - z**2
    """
    import sympy

    if not statistics or len(statistics) != len(natural):
        raise RequestError(
            f"{len(statistics)} statistics and {len(natural)} natural parameters; give one of each, and one at least"
        )
    total: sympy.Expr = sympy.Integer(0)
    for statistic, parameter in zip(map(sympy.sympify, statistics), map(sympy.sympify, natural), strict=True):
        if statistic.free_symbols - {z}:
            raise RequestError(f"the statistic {in_words(statistic)} must be a function of {z} alone")
        if z in parameter.free_symbols:
            raise RequestError(f"the natural parameter {in_words(parameter)} must not contain {z}")
        total += statistic * parameter
    return total


def mixture(weights: Sequence[Any], log_densities: Sequence[Any]) -> sympy.Expr:
    """Log sum_k weight_k exp(log_density_k).

    Args:
        weights: Positive; they may depend on actions and the past. They need not sum to one.
        log_densities: Complete ones, as all builders but `exponential_family` give them.

    Raises:
        RequestError: If their numbers differ, there are none, or a weight can't be positive.
        TooLargeError: If a density is a power with an exponent above 100,000.
    """
    import sympy

    if not weights or len(weights) != len(log_densities):
        raise RequestError(
            f"{len(weights)} weights for {len(log_densities)} log-densities; give one each, and one at least"
        )
    parts = []
    for weight, log_density in zip(weights, log_densities, strict=True):
        density = sympy.exp(log_density)
        require_small_powers(density)
        parts.append(_positive(weight, "weight") * density)
    return sympy.log(sympy.Add(*parts))


def _log_gamma_ratio(degrees: sympy.Expr) -> sympy.Expr:
    """The logarithm of gamma((degrees + 1) / 2) / gamma(degrees / 2)."""
    import sympy

    upper, lower = (degrees + 1) / 2, degrees / 2
    if not (degrees.is_number and degrees > _MANY_DEGREES):
        return sympy.loggamma(upper) - sympy.loggamma(lower)
    # sympy would write out the factorial of a large number; the two nearly cancel, which takes digits
    mantissa, exponent = enclose(degrees, {}, 64).mid().man_exp()
    size = int(exponent) + int(mantissa).bit_length()
    if size > _MOST_BITS:
        raise RequestError(f"the freedom is {in_words(degrees)}; it must be below 2**{_MOST_BITS}")
    bits = 256 + 3 * size
    balls = [enclose(sympy.loggamma(half, evaluate=False), {}, bits) for half in (upper, lower)]
    with precision(bits):
        return _rounded(balls[0] - balls[1])


def _rounded(ball: flint.arb) -> sympy.Expr:
    import sympy

    mantissa, exponent = ball.mid().man_exp()
    shift = int(exponent) + _BITS_KEPT
    scaled = int(mantissa) << shift if shift >= 0 else int(mantissa) >> -shift
    return sympy.Rational(scaled, 1 << _BITS_KEPT)


def _positive(value: Any, what: str) -> sympy.Expr:
    import sympy

    found: sympy.Expr = sympy.sympify(value)
    if found.is_nonpositive or found.is_real is False:
        raise RequestError(f"the {what} is {in_words(found)}; it must be positive")
    return found
