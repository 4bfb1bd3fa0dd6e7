"""Formulas from a file, as sympy expressions, without running anything that is in them.

A formula is written as in Python: numbers, names, + - * / **, comparisons, ``x if c else y`` for pieces, and functions
from a list. Nothing else is let through: no attributes, no subscripts, no calls of anything that is not listed.

Sympy evaluates as it builds, and some numbers would keep it busy for hours: their size is checked before it sees them.
"""

from __future__ import annotations

import ast
import operator
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from identify.exceptions import FormatError, IdentifyError
from identify.mechanisms import densities
from identify.names import quoted
from identify.proof.substitution import TooLargeError, require_small_powers
from identify.proof.words import FAILURES, in_words

if TYPE_CHECKING:
    import sympy

__all__ = ["formula", "normal_name"]

_LONGEST = 20_000
_LARGEST_POWER = 1_000
# of numbers as they are written: what Python reads in decimals; and of their powers
_MOST_BITS = 15_000
_MOST_BITS_OF_POWER = 500_000
# functions inside one another; a sum or a product counts once, however long
_DEEPEST = 200
# sympy writes gamma functions of numbers out, as factorials
_LARGEST_FACTORIAL = 10_000
_FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "erf", "gamma", "loggamma"),
    *("Abs", "sign", "Max", "Min", "Heaviside"),
)
_FACTORIALS = ("gamma", "loggamma")
_DENSITIES = ("gaussian", "laplace", "logistic", "student_t", "mixture", "exponential_family")
_OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def formula(text: str, symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """Read a formula.

    Args:
        text: At most 20,000 letters.
        symbols: What the names in it stand for.

    Raises:
        FormatError: If it is no formula, names something unknown, or is too long.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> formula("sin(a)**2 if a > 0 else -z", {"z": z, "a": a})
        Piecewise((sin(a)**2, a > 0), (-z, True))
    """
    if len(text) > _LONGEST:
        raise FormatError(f"a formula of {len(text):,} letters is too long; {_LONGEST:,} are read")
    # Python writes names in their normal form, so that µ and μ are one
    known = {normal_name(name): symbol for name, symbol in symbols.items()}
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
        if _depth(parsed) > _DEEPEST:
            raise FormatError(
                f"{quoted(text)} is no formula: it is nested too deeply; {_DEEPEST} levels are read"
            )
        return _read(parsed, known)
    except TooLargeError as error:
        raise FormatError(f"{quoted(text)} is no formula: {error}") from error
    except IdentifyError:
        raise
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise FormatError(
            f"{quoted(text)} is no formula: {getattr(error, 'msg', 'it is nested too deeply')}"
        ) from error
    except FAILURES as error:
        # what sympy says of arguments that a function doesn't take
        raise FormatError(f"{quoted(text)} makes no sense: {error}") from error


def normal_name(name: str) -> str:
    """A name as Python reads it in a formula.

    Example:
        >>> normal_name("\N{MICRO SIGN}") == "\N{GREEK SMALL LETTER MU}"
        True
    """
    return unicodedata.normalize("NFKC", name)


def _depth(parsed: ast.expr) -> int:
    """How many operations and functions are inside one another; of a chain of sums or products one."""
    deepest = 0
    waiting = [(parsed, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        for child in ast.iter_child_nodes(node):
            chain = (
                isinstance(node, ast.BinOp) and isinstance(child, ast.BinOp) and child is node.left
            ) and _level(node.op) == _level(child.op) is not None
            if isinstance(child, ast.expr):
                waiting.append((child, depth if chain else depth + 1))
    return deepest


def _level(op: ast.operator) -> str | None:
    if isinstance(op, ast.Add | ast.Sub):
        return "sum"
    return "product" if isinstance(op, ast.Mult | ast.Div) else None


def _read(node: ast.expr, symbols: Mapping[str, Any]) -> Any:  # noqa: PLR0911
    import sympy

    match node:
        case ast.Constant(value=bool()):
            raise FormatError(f"{quoted(node.value)} is no number")
        case ast.Constant(value=int(number)):
            if number.bit_length() > _MOST_BITS:
                raise FormatError(f"{quoted(number)} is too large a number for a formula")
            return sympy.Integer(number)
        case ast.Constant(value=float()):
            # as written: 0.1 is a tenth
            return sympy.Rational(str(node.value))
        case ast.Name(id=name):
            return _named(name, symbols)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_read(left, symbols), _read(right, symbols))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_read(left, symbols), _read(right, symbols))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_read(operand, symbols))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_read(left, symbols), _read(right, symbols))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            pieces = (_read(body, symbols), _read(test, symbols)), (_read(orelse, symbols), True)
            return sympy.Piecewise(*pieces)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_read(element, symbols) for element in elements]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _called(name, arguments, symbols)
    raise FormatError(f"{quoted(ast.unparse(node))} can't be part of a formula")


def _named(name: str, symbols: Mapping[str, Any]) -> Any:
    import sympy

    if name in symbols:
        return symbols[name]
    constants = {"pi": sympy.pi, "E": sympy.E}
    if name not in constants:
        raise FormatError(
            f"the formula names {quoted(name)}, which is no latent, action or past latent of the file"
        )
    return constants[name]


def _power(base: Any, exponent: Any) -> Any:
    # numbers raised to large powers would fill the memory
    if exponent.is_number and abs(exponent) > _LARGEST_POWER:
        raise FormatError(f"the exponent {in_words(exponent)} is too large; up to {_LARGEST_POWER} are read")
    if base.is_Rational and exponent.is_Rational:
        bits = max(int(base.p).bit_length(), int(base.q).bit_length()) * abs(exponent)
        if bits > _MOST_BITS_OF_POWER:
            raise FormatError(f"{in_words(base)} to the power {in_words(exponent)} is too large a number")
    return base**exponent


def _function(name: str) -> Callable[..., Any]:
    known = _known()
    if name not in known:
        raise FormatError(f"there is no function {quoted(name)}; there are {', '.join(sorted(known))}")
    return _limited(name, known[name]) if name in _FACTORIALS else known[name]


def _called(name: str, given: list[ast.expr], symbols: Mapping[str, Any]) -> Any:
    import sympy

    function = _function(name)
    arguments = [_read(argument, symbols) for argument in given]
    if any(isinstance(argument, sympy.logic.boolalg.BooleanAtom | sympy.Rel) for argument in arguments):
        raise FormatError(f"{name} of a comparison makes no sense: a comparison is no number")
    result = function(*arguments)
    if isinstance(result, sympy.Basic):
        require_small_powers(result)
    return result


def _limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        for argument in arguments:
            # of halves too
            written_out = argument.is_Rational and argument.q <= 2
            if written_out and abs(argument) > _LARGEST_FACTORIAL:
                raise FormatError(
                    f"{name} of {in_words(argument)} is too large a number; up to {_LARGEST_FACTORIAL:,} is read"
                )
        return function(*arguments)

    return checked


@cache
def _known() -> dict[str, Callable[..., Any]]:
    import sympy

    found = {name: getattr(sympy, name) for name in _FUNCTIONS}
    return found | {"abs": sympy.Abs} | {name: getattr(densities, name) for name in _DENSITIES}
