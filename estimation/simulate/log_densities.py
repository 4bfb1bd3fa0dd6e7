"""Log-densities written in sympy -> functions of arrays that neither underflow nor overflow.

Only expressions are compiled, which `identify.mechanisms` has built or has parsed from a file without executing it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.exceptions import ConfigError
from identify.proof.expressions import SYMPY_ERRORS, expression_text

if TYPE_CHECKING:
    import sympy

__all__ = ["LogDensity", "compile_log_density"]

Array = NDArray[np.float64]

# larger integers are not exact in floating point, and numpy would compute with Python's own
_MAX_INTEGER = 2**53
_LOG_SUM, _LOG_CDF = "log_of_scaled_sum", "log_normal_cdf"


@dataclass(frozen=True)
class LogDensity:
    """The log-density of one latent as functions of arrays.

    Attributes:
        components: Functions (z, *conditions) -> log-densities whose exponentials add up to the density: one, or one
            for each component of a mixture.
        gaussian: Functions of the conditions that return the score at z = 0 and its derivative, if the score is linear
            in z, so that the density is normal; None for all other densities.
        weights: Functions of the conditions that return the weights of the components; none for a single density.
        used: Positions of the conditions that occur in the log-density, in the order of the functions' arguments.
    """

    components: tuple[Callable[..., Any], ...]
    gaussian: tuple[Callable[..., Any], Callable[..., Any]] | None
    weights: tuple[Callable[..., Any], ...]
    used: tuple[int, ...]

    def __call__(self, z: Array, conditions: Array) -> Array:
        """Return the log-densities of the components.

        Args:
            z: Values of the latent, shape (M,).
            conditions: Values of the conditions in `used`, shape (M, k).

        Returns:
            Log-densities, shape (K, M); NaN where the density is not defined.
        """
        values = np.empty((len(self.components), len(z)))
        with np.errstate(all="ignore"):
            for row, component in zip(values, self.components, strict=True):
                row[:] = component(z, *conditions.T)
        return values

    def has_weights(self, conditions: Array) -> NDArray[np.bool_]:
        """Return whether no weight of a component is negative or undefined, shape (N,).

        Args:
            conditions: Values of the conditions in `used`, shape (N, k).
        """
        valid = np.ones(len(conditions), dtype=bool)
        with np.errstate(all="ignore"):
            for weight in self.weights:
                valid &= np.asarray(weight(*conditions.T)) >= 0
        return valid

    def mean_and_variance(self, conditions: Array) -> tuple[Array, Array]:
        """Return mean and variance of a normal density, each of shape (N,); not positive or NaN where there is none.

        Args:
            conditions: Values of the conditions in `used`, shape (N, k).
        """
        assert self.gaussian is not None
        at_zero, slope = self.gaussian
        columns = conditions.T
        with np.errstate(all="ignore"):
            variance = -1 / np.broadcast_to(np.asarray(slope(*columns), dtype=float), len(conditions))
            return variance * np.asarray(at_zero(*columns), dtype=float), variance


def compile_log_density(
    log_density: sympy.Expr, latent: sympy.Symbol, conditions: Sequence[sympy.Symbol]
) -> LogDensity:
    """Compile a log-density.

    Args:
        log_density: Expression in the latent and the conditions.
        latent: The latent.
        conditions: Symbols of actions and past latents.

    Raises:
        ConfigError: If the expression contains a function that numpy and scipy lack.

    Example:
        >>> import sympy
        >>> from identify.mechanisms.densities import gaussian, mixture
        >>> z, a = sympy.symbols("z a", real=True)
        >>> density = compile_log_density(mixture([1, 3], [gaussian(z, a), gaussian(z, -a)]), z, [a])
        >>> np.exp(density(np.zeros(1), np.full((1, 1), 1e-3))).round(2)
        array([[0.4],
               [1.2]])
    """
    used = tuple(k for k, symbol in enumerate(conditions) if symbol in log_density.free_symbols)
    arguments = [conditions[k] for k in used]
    try:
        linear = _linear_score(log_density, latent)
        components, weights = _components(log_density, latent)
        compiled = LogDensity(
            tuple(_compile(part, [latent, *arguments]) for part in components),
            None if linear is None else (_compile(linear[0], arguments), _compile(linear[1], arguments)),
            tuple(_compile(weight, arguments) for weight in weights),
            used,
        )
        # a function that numpy and scipy lack is found only by a call
        compiled(np.ones(1), np.ones((1, len(used))))
    except (NameError, *SYMPY_ERRORS) as error:
        raise ConfigError(
            f"the density of {latent} ({expression_text(log_density)}) can't be evaluated numerically: {error}"
        ) from error
    return compiled


def _linear_score(log_density: sympy.Expr, latent: sympy.Symbol) -> tuple[sympy.Expr, sympy.Expr] | None:
    """Return the score at 0 and its derivative, if the latter does not contain the latent."""
    import sympy

    # the derivative does not show where a density of several pieces jumps or ends
    if not log_density.is_polynomial(latent):
        return None
    score = sympy.diff(log_density, latent)
    slope = sympy.diff(score, latent)
    return None if slope.has(latent) else (score.subs(latent, 0), slope)


def _components(log_density: sympy.Expr, latent: sympy.Symbol) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
    """Return expressions whose exponentials add up to that of the log-density, and the weights of these."""
    import sympy

    terms = sympy.Add.make_args(log_density)
    for position, term in enumerate(terms):
        if not (isinstance(term, sympy.log) and term.has(latent)):
            continue
        pairs = _addends(term.args[0], latent)
        logarithms = [_logarithm(function) for _, function in pairs]
        if None in logarithms:
            continue
        others = sympy.Add(*terms[:position], *terms[position + 1 :])
        parts = [
            sympy.log(weight) + part + others
            for (weight, _), part in zip(pairs, logarithms, strict=True)
            if part is not None
        ]
        return parts, [weight for weight, _ in pairs]
    return [log_density], []


def _addends(density: sympy.Expr, latent: sympy.Symbol) -> list[tuple[sympy.Expr, sympy.Expr]]:
    """Return the terms of a sum as pairs of a weight and a function of the latent; products of sums are expanded."""
    import sympy

    pairs = []
    for addend in sympy.Add.make_args(density):
        weight, function = addend.as_independent(latent, as_Add=False)
        factors = sympy.Mul.make_args(function)
        sums = [factor for factor in factors if isinstance(factor, sympy.Add)]
        if not sums:
            pairs.append((weight, function))
            continue
        rest = sympy.Mul(*(factor for factor in factors if factor is not sums[0]))
        for inner_weight, inner in _addends(sums[0], latent):
            pairs += [(weight * inner_weight * outer, f) for outer, f in _addends(inner * rest, latent)]
    return pairs


def _logarithm(function: sympy.Expr) -> sympy.Expr | None:
    """Return the logarithm of a function of the latent; None if it is not known to be positive."""
    import sympy

    factors = sympy.Mul.make_args(function)
    if not all(factor.is_positive for factor in factors):
        return None
    return sympy.Add(*(_log_of_power(factor) for factor in factors))


def _log_of_power(factor: sympy.Expr) -> sympy.Expr:
    import sympy

    base, exponent = factor.as_base_exp()
    if isinstance(factor, sympy.exp):
        return factor.args[0]
    return exponent * sympy.log(base) if base.is_positive else sympy.log(factor)


def _compile(expression: sympy.Expr, arguments: Sequence[sympy.Symbol]) -> Callable[..., Any]:
    import sympy
    from scipy.special import log_ndtr

    symbols = [sympy.Symbol(f"x{k}", real=True) for k in range(len(arguments))]
    stable = _stable(expression.xreplace(dict(zip(arguments, symbols, strict=True))))
    large = {
        number: sympy.Float(number)
        for number in stable.atoms(sympy.Rational)
        if max(abs(number.p), number.q) > _MAX_INTEGER
    }
    modules = [{_LOG_SUM: _log_of_scaled_sum, _LOG_CDF: log_ndtr}, "scipy", "numpy"]
    compiled: Callable[..., Any] = sympy.lambdify(symbols, stable.xreplace(large), modules, cse=True)
    return compiled


def _stable(expression: sympy.Expr) -> sympy.Expr:
    """Replace logarithms of sums with exponentials, and of 1 + erf, by functions that don't underflow."""
    import sympy

    if not expression.args:
        return expression
    if isinstance(expression, sympy.log):
        addends = sympy.Add.make_args(expression.args[0])
        errors = [addend for addend in addends if isinstance(addend, sympy.erf)]
        if len(addends) == 2 and errors and expression.args[0] - errors[0] == 1:
            argument = sympy.sqrt(2) * _stable(errors[0].args[0])
            return sympy.log(2) + sympy.Function(_LOG_CDF)(argument)
        pairs = [_split_exponentials(addend) for addend in addends]
        if any(exponent != 0 for _, exponent in pairs):
            return sympy.Function(_LOG_SUM)(*(_stable(part) for pair in pairs for part in pair))
    return expression.func(*(_stable(part) for part in expression.args))


def _split_exponentials(addend: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Return (c, e) with c exp(e) equal to the addend."""
    import sympy

    factors = sympy.Mul.make_args(addend)
    exponents = [factor.args[0] for factor in factors if isinstance(factor, sympy.exp)]
    others = [factor for factor in factors if not isinstance(factor, sympy.exp)]
    return sympy.Mul(*others), sympy.Add(*exponents)


def _log_of_scaled_sum(*pairs: Any) -> Any:
    """Return log(sum_k c_k exp(e_k)) of the arguments c_1, e_1, c_2, e_2, ..."""
    factors, exponents = pairs[::2], pairs[1::2]
    largest = exponents[0]
    for exponent in exponents[1:]:
        largest = np.maximum(largest, exponent)
    largest = np.where(np.isfinite(largest), largest, 0)
    return largest + np.log(sum(c * np.exp(e - largest) for c, e in zip(factors, exponents, strict=True)))
