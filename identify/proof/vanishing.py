"""Decide whether an expression is zero almost everywhere, with a proof or a counterexample.

NO is proved by one rational point at which an enclosure of the value excludes zero. YES is proved by rewriting the
expression to zero. A floating-point number that happens to be small proves nothing. An expression that neither way
decides is undecided: the general problem is undecidable (Richardson 1968).

Symbols stand for real numbers, unless their assumptions say positive, integer and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

from identify.exceptions import RequestError
from identify.proof.balls import NotEnclosedError, enclose, excludes_zero
from identify.proof.deadline import TimeLimitError, run_within
from identify.proof.expressions import SYMPY_ERRORS, expression_text

if TYPE_CHECKING:
    import sympy

__all__ = ["DEFAULT_SECONDS", "Decision", "rational_points", "real_symbols", "refute", "vanishes"]

# time limit for one decision
DEFAULT_SECONDS = 10.0
# (bits, number of points to try): a few points easily miss a step, and an expression that is zero at many points does
# not merit more digits at many more
_POINTS_PER_PRECISION = ((64, 40), (256, 6), (1024, 3))
# maximum number of symbols whose signs are distinguished
_MAX_SIGNED_SYMBOLS = 3


@dataclass(frozen=True)
class Decision:
    """The decision whether an expression is zero almost everywhere in its domain.

    Attributes:
        answer: True, False, or None when neither is proved.
        reason: The rewriting that gives zero, the point with the enclosure of the value there, or why it is undecided.
        point: The point at which the expression is proved to be nonzero; None otherwise.
    """

    answer: bool | None
    reason: str
    point: Mapping[sympy.Symbol, sympy.Rational] | None = None


def vanishes(expression: sympy.Expr, seconds: float = DEFAULT_SECONDS) -> Decision:
    """Decide whether an expression is zero almost everywhere in its domain.

    Args:
        expression: A real expression, whose symbols come from `real_symbols`.
        seconds: Time limit, after which the answer is None.

    Example:
        >>> import sympy
        >>> x = sympy.Symbol("x", real=True)
        >>> vanishes(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1).answer
        True
        >>> vanishes(sympy.sin(x) - x).answer
        False
    """
    try:
        return run_within(seconds, lambda: _decide(expression))
    except TimeLimitError:
        return Decision(None, f"neither proof nor counterexample within {seconds:.3g} s")
    except SYMPY_ERRORS as error:
        return Decision(None, f"sympy fails on it ({type(error).__name__})")


def _decide(expression: sympy.Expr) -> Decision:
    if expression.is_zero:
        return Decision(True, "it is identically zero")
    return refute(expression) or _prove(expression)


def refute(expression: sympy.Expr) -> Decision | None:
    """Return a point at which the expression is proved to be nonzero, or None if none is found."""
    for bits, count in _POINTS_PER_PRECISION:
        some_enclosed = False
        points = rational_points(expression.free_symbols, count)
        if bits == _POINTS_PER_PRECISION[0][0] and expression.has(*_nonsmooth()):
            # signs of differences hardly vary among those points
            points = chain(points, rational_points(expression.free_symbols, 2 * count, scattered=True))
        for point in points:
            try:
                ball = enclose(expression, point, bits)
            except NotEnclosedError:
                continue
            if excludes_zero(ball):
                where = ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
                return Decision(False, f"it is {ball.str(5)} at {where or 'every point'}", point)
            some_enclosed = True
        if not some_enclosed:
            return None
    return None


def rational_points(
    symbols: Iterable[sympy.Symbol], count: int, offset: int = 0, scattered: bool = False
) -> Iterator[dict[sympy.Symbol, sympy.Rational]]:
    """Yield quasi-random rational points in the range that the symbols allow; every call yields the same ones.

    Args:
        symbols: The symbols that need a value; positive, negative and integer ones get matching values.
        count: Number of points.
        offset: Number of points to skip.
        scattered: Whether the differences between symbols vary as much as the symbols. By default, all symbols move by
            the same step from point to point, so that their differences take few values.
    """
    import sympy

    ordered = sorted(symbols, key=lambda symbol: (symbol.name, str(symbol.assumptions0)))
    for k in range(offset, offset + count):
        point = {}
        for j, symbol in enumerate(ordered):
            # multiples of irrational numbers fill the interval evenly; they are rounded to small fractions
            step = 0.7548776662 + scattered * j * 0.4142135624
            uniform = ((k + 1) * step + (j + 1) * 0.5698402910 + j * j * 0.3819660113) % 1
            fraction = Fraction(4 * uniform - 2).limit_denominator(97)
            value = sympy.Rational(fraction.numerator, fraction.denominator)
            point[symbol] = _in_range(symbol, value, j)
        yield point


def _in_range(symbol: Any, value: Any, position: int) -> Any:
    import sympy

    if symbol.is_integer:
        value = sympy.floor(5 * value)
    if value == 0:
        value = sympy.Integer(1 + position % 3)
    if symbol.is_positive or symbol.is_nonnegative:
        return abs(value)
    return -abs(value) if symbol.is_negative or symbol.is_nonpositive else value


def real_symbols(symbols: Iterable[sympy.Symbol]) -> dict[sympy.Symbol, sympy.Symbol]:
    """Map each symbol that is not declared real or otherwise to a real symbol of the same name.

    Raises:
        RequestError: If a symbol is declared not to be real.
    """
    import sympy

    replacements = {}
    for symbol in symbols:
        if symbol.is_real is False:
            raise RequestError(
                f"the symbol {symbol} is declared not to be real; latents and actions are real"
            )
        if symbol.is_real is None:
            replacements[symbol] = sympy.Symbol(symbol.name, real=True)
    return replacements


def _prove(expression: sympy.Expr) -> Decision:
    name = _find_rewriting(expression)
    if name is None and (cases := _split_by_sign(expression)):
        names = [_find_rewriting(case) for case in cases]
        name = "distinguishing signs" if all(names) else None
    if name is not None:
        return Decision(True, f"zero after {name}")
    return Decision(None, f"neither a point nor a rewriting decides it: {expression_text(expression)}")


def _find_rewriting(expression: sympy.Expr) -> str | None:
    """Return the name of the first rewriting that gives zero, or None."""
    for name, rewrite in _rewritings():
        try:
            if rewrite(expression).is_zero:
                return name
        except SYMPY_ERRORS:
            # a rewriting that does not support this expression proves nothing
            continue
    return None


def _nonsmooth() -> tuple[Any, ...]:
    import sympy

    return sympy.Abs, sympy.sign, sympy.Piecewise, sympy.Max, sympy.Min, sympy.Heaviside


def _split_by_sign(expression: sympy.Expr) -> list[sympy.Expr]:
    """Return the cases in which every real symbol of absolute values and pieces is positive or negative."""
    import sympy

    unsigned = {
        symbol
        for term in expression.atoms(*_nonsmooth())
        for symbol in term.free_symbols
        if symbol.is_positive is None and symbol.is_negative is None
    }
    if not 0 < len(unsigned) <= _MAX_SIGNED_SYMBOLS:
        return []
    cases = [expression]
    for symbol in sorted(unsigned, key=str):
        magnitude = sympy.Symbol(symbol.name, positive=True)
        cases = [case.subs(symbol, value) for case in cases for value in (magnitude, -magnitude)]
    # symbols are zero only on a set of measure zero, on which an expression may be undefined
    return cases


def _rewritings() -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    import sympy

    def logarithms(e: Any) -> Any:
        return sympy.expand(sympy.expand_log(sympy.factor(e, deep=True)))

    def exponentials(e: Any) -> Any:
        return sympy.expand(sympy.powsimp(sympy.expand(e.rewrite(sympy.exp)), deep=True))

    return (
        ("expanding", sympy.expand),
        ("rational simplification", lambda e: sympy.cancel(sympy.together(e))),
        ("trigonometric simplification", lambda e: sympy.expand(sympy.trigsimp(e))),
        ("expanding trigonometric functions", lambda e: sympy.trigsimp(sympy.expand_trig(e))),
        ("expanding logarithms", logarithms),
        ("expanding powers", lambda e: sympy.expand(sympy.expand_power_base(sympy.expand_power_exp(e)))),
        ("writing in exponentials", exponentials),
        ("folding pieces", lambda e: sympy.simplify(sympy.piecewise_fold(e))),
        ("simplification", sympy.simplify),
        ("simplification of exponentials", lambda e: sympy.simplify(exponentials(e))),
    )
