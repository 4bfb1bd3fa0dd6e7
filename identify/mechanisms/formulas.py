"""Formulas from a file, as sympy expressions, without running anything that is in them.

A formula is written as in Python: numbers, names, + - * / **, comparisons, ``x if c else y`` for pieces, and functions
from a list. Nothing else is let through: no attributes, no subscripts, no calls of anything that is not listed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from identify.exceptions import FormatError
from identify.mechanisms import densities

if TYPE_CHECKING:
    import sympy

__all__ = ["formula"]

_LONGEST = 20_000
_LARGEST_POWER = 1_000
_FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "erf", "gamma", "loggamma"),
    *("Abs", "sign", "Max", "Min", "Heaviside"),
)
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
        text: at most 20,000 letters.
        symbols: what the names in it stand for.

    Raises:
        FormatError: it is no formula, names something unknown, or is too long.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> formula("sin(a)**2 if a > 0 else -z", {"z": z, "a": a})
        Piecewise((sin(a)**2, a > 0), (-z, True))
    """
    if len(text) > _LONGEST:
        raise FormatError(f"a formula of {len(text):,} letters is too long; {_LONGEST:,} are read")
    try:
        return _read(ast.parse(text.strip(), mode="eval").body, symbols)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise FormatError(
            f"{_short(text)} is no formula: {getattr(error, 'msg', 'it is nested too deeply')}"
        ) from error
    except (TypeError, AttributeError, ZeroDivisionError) as error:
        raise FormatError(f"{_short(text)} makes no sense: {error}") from error


def _read(node: ast.expr, symbols: Mapping[str, Any]) -> Any:  # noqa: PLR0911
    import sympy

    match node:
        case ast.Constant(value=bool()):
            raise FormatError(f"{node.value!r} is no number")
        case ast.Constant(value=int()):
            return sympy.Integer(node.value)
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
            return _function(name)(*(_read(argument, symbols) for argument in arguments))
    raise FormatError(f"{_short(ast.unparse(node))} can't be part of a formula")


def _named(name: str, symbols: Mapping[str, Any]) -> Any:
    import sympy

    if name in symbols:
        return symbols[name]
    constants = {"pi": sympy.pi, "E": sympy.E}
    if name not in constants:
        raise FormatError(
            f"the formula names {name!r}, which is no latent, action or past latent of the file"
        )
    return constants[name]


def _power(base: Any, exponent: Any) -> Any:
    # numbers raised to large powers would fill the memory
    if exponent.is_number and abs(exponent) > _LARGEST_POWER:
        raise FormatError(f"the exponent {exponent} is too large; up to {_LARGEST_POWER} are read")
    return base**exponent


def _function(name: str) -> Callable[..., Any]:
    known = _known()
    if name not in known:
        raise FormatError(f"there is no function {name!r}; there are {', '.join(sorted(known))}")
    return known[name]


@cache
def _known() -> dict[str, Callable[..., Any]]:
    import sympy

    found = {name: getattr(sympy, name) for name in _FUNCTIONS}
    return found | {"abs": sympy.Abs} | {name: getattr(densities, name) for name in _DENSITIES}


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
