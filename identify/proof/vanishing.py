"""Is an expression zero almost everywhere? Yes with a proof, no with a point, or not known.

NO is proved by one rational point at which an enclosure of the value excludes zero. YES is proved by rewriting
until nothing is left. A floating-point number that happens to be small proves nothing, and what neither way decides
is undecided: deciding it in general is impossible (Richardson 1968).

Symbols stand for real numbers, unless they say themselves that they are positive, integer and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from identify.exceptions import RequestError
from identify.proof.balls import NotEnclosedError, enclose, excludes_zero
from identify.proof.deadline import OutOfTimeError, within
from identify.proof.words import FAILURES, in_words

if TYPE_CHECKING:
    import sympy

__all__ = ["SECONDS", "Decision", "as_real", "points", "refute", "vanishes"]

# for one decision
SECONDS = 10.0
# points to try with each precision: a step is easily missed by few, and what is zero at many is not worth many digits
_TRIES = ((64, 40), (256, 6), (1024, 3))
# symbols whose signs are told apart
_MOST_SPLIT = 3


@dataclass(frozen=True)
class Decision:
    """Whether an expression is zero almost everywhere that it is defined.

    Attributes:
        answer: True, False, or None when neither is proved.
        reason: The rewriting that left nothing, the point with the enclosure there, or why it is not known.
        point: Where it is proved not to be zero; None otherwise.
    """

    answer: bool | None
    reason: str
    point: Mapping[sympy.Symbol, sympy.Rational] | None = None


def vanishes(expression: sympy.Expr, seconds: float = SECONDS) -> Decision:
    """Decide whether an expression is zero almost everywhere that it is defined.

    Args:
        expression: Real, as `as_real` makes it.
        seconds: After which the answer is None.

    Example:
        >>> import sympy
        >>> x = sympy.Symbol("x", real=True)
        >>> vanishes(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1).answer
        True
        >>> vanishes(sympy.sin(x) - x).answer
        False
    """
    try:
        return within(seconds, lambda: _decided(expression))
    except OutOfTimeError:
        return Decision(None, f"neither proof nor counterexample within {seconds:.3g} s")
    except FAILURES as error:
        return Decision(None, f"sympy fails on it ({type(error).__name__})")


def _decided(expression: sympy.Expr) -> Decision:
    if expression.is_zero:
        return Decision(True, "it is zero as it stands")
    return refute(expression) or _prove(expression)


def refute(expression: sympy.Expr) -> Decision | None:
    """A point at which the expression is proved not to be zero, or None if none was found."""
    for bits, count in _TRIES:
        close = False
        for point in points(expression.free_symbols, count):
            try:
                ball = enclose(expression, point, bits)
            except NotEnclosedError:
                continue
            if excludes_zero(ball):
                where = ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
                return Decision(False, f"it is {ball.str(5)} at {where or 'every point'}", point)
            close = True
        if not close:
            return None
    return None


def points(
    symbols: Iterable[sympy.Symbol], count: int, offset: int = 0
) -> Iterator[dict[sympy.Symbol, sympy.Rational]]:
    """Rational points without pattern, the same at every call, in the range that the symbols allow.

    Args:
        symbols: What needs a value; positive, negative, integer ones get such.
        count: How many points.
        offset: Skip so many.
    """
    import sympy

    names = sorted(symbols, key=lambda symbol: (symbol.name, str(symbol.assumptions0)))
    for k in range(offset, offset + count):
        values = {}
        for j, symbol in enumerate(names):
            # multiples of irrational numbers, which fill the interval evenly, cut to small fractions
            part = ((k + 1) * 0.7548776662 + (j + 1) * 0.5698402910 + j * j * 0.3819660113) % 1
            value = Fraction(4 * part - 2).limit_denominator(97)
            rational = sympy.Rational(value.numerator, value.denominator)
            values[symbol] = _admitted(symbol, rational, j)
        yield values


def _admitted(symbol: Any, value: Any, number: int) -> Any:
    import sympy

    if symbol.is_integer:
        value = sympy.floor(5 * value)
    if value == 0:
        value = sympy.Integer(1 + number % 3)
    if symbol.is_positive or symbol.is_nonnegative:
        return abs(value)
    return -abs(value) if symbol.is_negative or symbol.is_nonpositive else value


def as_real(symbols: Iterable[sympy.Symbol]) -> dict[sympy.Symbol, sympy.Symbol]:
    """What to put in the place of symbols that don't say whether they are real: real ones of the same name.

    Raises:
        RequestError: If a symbol is declared not to be real.
    """
    import sympy

    replaced = {}
    for symbol in symbols:
        if symbol.is_real is False:
            raise RequestError(
                f"the symbol {symbol} is declared not to be real; latents and actions are real"
            )
        if symbol.is_real is None:
            replaced[symbol] = sympy.Symbol(symbol.name, real=True)
    return replaced


def _prove(expression: sympy.Expr) -> Decision:
    name = _rewritten_to_zero(expression)
    if name is None and (split := _by_sign(expression)):
        names = [_rewritten_to_zero(part) for part in split]
        name = "telling signs apart" if all(names) else None
    if name is not None:
        return Decision(True, f"zero after {name}")
    return Decision(None, f"neither a point nor a rewriting decides it: {in_words(expression)}")


def _rewritten_to_zero(expression: sympy.Expr) -> str | None:
    """The rewriting that leaves nothing of the expression, or None."""
    for name, rewrite in _rewritings():
        try:
            if rewrite(expression).is_zero:
                return name
        except FAILURES:
            # a rewriting that doesn't know what to do with this expression proves nothing
            continue
    return None


def _by_sign(expression: sympy.Expr) -> list[sympy.Expr]:
    """The expression with every real symbol of its absolute values and pieces positive or negative."""
    import sympy

    kinked = expression.atoms(sympy.Abs, sympy.sign, sympy.Piecewise, sympy.Max, sympy.Min, sympy.Heaviside)
    unsigned = {
        symbol
        for part in kinked
        for symbol in part.free_symbols
        if symbol.is_positive is None and symbol.is_negative is None
    }
    if not 0 < len(unsigned) <= _MOST_SPLIT:
        return []
    cases = [expression]
    for symbol in sorted(unsigned, key=str):
        size = sympy.Symbol(symbol.name, positive=True)
        cases = [case.subs(symbol, value) for case in cases for value in (size, -size)]
    # where a symbol is zero is a set of measure zero, on which an expression may be undefined
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
