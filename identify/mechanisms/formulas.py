"""Parse formulas from a file as sympy expressions, without executing anything in the file.

A formula has the syntax of Python: numbers, names, + - * / **, comparisons, ``x if c else y`` for pieces, and functions
from a list. Everything else is refused: attributes, subscripts, and calls of functions that are not listed.

Sympy evaluates expressions as it builds them, and some numbers would keep it busy for hours, so their sizes are checked
first.
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
from identify.proof.expressions import SYMPY_ERRORS, expression_text
from identify.proof.substitution import TooLargeError, require_small_powers

if TYPE_CHECKING:
    import sympy

__all__ = ["normalise_name", "parse_formula"]

_MAX_CHARACTERS = 20_000
_MAX_EXPONENT = 1_000
# limits for numbers, about the longest decimal number that Python parses, and for their powers
_MAX_BITS = 15_000
_MAX_POWER_BITS = 500_000
# maximum nesting of functions; a sum or a product counts once, however long
_MAX_DEPTH = 200
# sympy evaluates gamma functions of numbers as factorials
_MAX_FACTORIAL = 10_000
_FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "erf", "gamma", "loggamma"),
    *("Abs", "sign", "Max", "Min", "Heaviside"),
)
_FACTORIALS = ("gamma", "loggamma")
_DENSITIES = ("gaussian", "laplace", "logistic", "student_t", "skew_normal", "mixture", "exponential_family")
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


def parse_formula(text: str, symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """Parse a formula.

    Args:
        text: The formula, at most 20,000 characters.
        symbols: The symbol of every name that the formula may use.

    Raises:
        FormatError: If the text is not a valid formula, contains an unknown name, or is too long.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a")
        >>> parse_formula("sin(a)**2 if a > 0 else -z", {"z": z, "a": a})
        Piecewise((sin(a)**2, a > 0), (-z, True))
    """
    if len(text) > _MAX_CHARACTERS:
        raise FormatError(
            f"a formula of {len(text):,} characters is too long; the limit is {_MAX_CHARACTERS:,}"
        )
    # Python normalises names, so µ and μ are the same
    by_name = {normalise_name(name): symbol for name, symbol in symbols.items()}
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
        if _depth(parsed) > _MAX_DEPTH:
            raise FormatError(
                f"{quoted(text)} is not a valid formula: it is nested too deeply; the limit is {_MAX_DEPTH} levels"
            )
        return _evaluate(parsed, by_name)
    except TooLargeError as error:
        raise FormatError(f"{quoted(text)} is not a valid formula: {error}") from error
    except IdentifyError:
        raise
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise FormatError(
            f"{quoted(text)} is not a valid formula: {getattr(error, 'msg', 'it is nested too deeply')}"
        ) from error
    except SYMPY_ERRORS as error:
        # sympy refuses an argument of a function
        raise FormatError(f"{quoted(text)} is not a valid formula: {error}") from error


def normalise_name(name: str) -> str:
    """Return a name as Python reads it in a formula.

    Example:
        >>> normalise_name("\N{MICRO SIGN}") == "\N{GREEK SMALL LETTER MU}"
        True
    """
    return unicodedata.normalize("NFKC", name)


def _depth(parsed: ast.expr) -> int:
    """Return the nesting depth of operations and functions; a chain of sums or products counts once."""
    max_depth = 0
    stack = [(parsed, 1)]
    while stack:
        node, depth = stack.pop()
        max_depth = max(max_depth, depth)
        for child in ast.iter_child_nodes(node):
            continues_chain = (
                isinstance(node, ast.BinOp) and isinstance(child, ast.BinOp) and child is node.left
            ) and _chain_kind(node.op) == _chain_kind(child.op) is not None
            if isinstance(child, ast.expr):
                stack.append((child, depth if continues_chain else depth + 1))
    return max_depth


def _chain_kind(op: ast.operator) -> str | None:
    if isinstance(op, ast.Add | ast.Sub):
        return "sum"
    return "product" if isinstance(op, ast.Mult | ast.Div) else None


def _evaluate(node: ast.expr, symbols: Mapping[str, Any]) -> Any:  # noqa: PLR0911
    import sympy

    match node:
        case ast.Constant(value=bool()):
            raise FormatError(f"{quoted(node.value)} is not a number")
        case ast.Constant(value=int(number)):
            if number.bit_length() > _MAX_BITS:
                raise FormatError(f"{quoted(number)} is too large a number for a formula")
            return sympy.Integer(number)
        case ast.Constant(value=float()):
            # decimals are exact: 0.1 is one tenth
            return sympy.Rational(str(node.value))
        case ast.Name(id=name):
            return _evaluate_name(name, symbols)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _evaluate_power(_evaluate(left, symbols), _evaluate(right, symbols))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_evaluate(left, symbols), _evaluate(right, symbols))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_evaluate(operand, symbols))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_evaluate(left, symbols), _evaluate(right, symbols))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            pieces = (_evaluate(body, symbols), _evaluate(test, symbols)), (_evaluate(orelse, symbols), True)
            return sympy.Piecewise(*pieces)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_evaluate(element, symbols) for element in elements]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _evaluate_call(name, arguments, symbols)
    raise FormatError(f"{quoted(ast.unparse(node))} can't be part of a formula")


def _evaluate_name(name: str, symbols: Mapping[str, Any]) -> Any:
    import sympy

    if name in symbols:
        return symbols[name]
    constants = {"pi": sympy.pi, "E": sympy.E}
    if name not in constants:
        raise FormatError(
            f"the formula names {quoted(name)}, which is not a latent, an action or a past latent of the file"
        )
    return constants[name]


def _evaluate_power(base: Any, exponent: Any) -> Any:
    # large powers of numbers would fill the memory
    if exponent.is_number and abs(exponent) > _MAX_EXPONENT:
        raise FormatError(
            f"the exponent {expression_text(exponent)} is too large; the limit is {_MAX_EXPONENT:,}"
        )
    if base.is_Rational and exponent.is_Rational:
        bits = max(int(base.p).bit_length(), int(base.q).bit_length()) * abs(exponent)
        if bits > _MAX_POWER_BITS:
            raise FormatError(
                f"{expression_text(base)} to the power {expression_text(exponent)} is too large"
            )
    return base**exponent


def _function(name: str) -> Callable[..., Any]:
    functions = _known_functions()
    if name not in functions:
        raise FormatError(
            f"there is no function {quoted(name)}; functions are {', '.join(sorted(functions))}"
        )
    return _with_size_limit(name, functions[name]) if name in _FACTORIALS else functions[name]


def _evaluate_call(name: str, nodes: list[ast.expr], symbols: Mapping[str, Any]) -> Any:
    import sympy

    function = _function(name)
    arguments = [_evaluate(node, symbols) for node in nodes]
    if any(isinstance(argument, sympy.logic.boolalg.BooleanAtom | sympy.Rel) for argument in arguments):
        raise FormatError(f"{name} takes numbers, not a comparison")
    result = function(*arguments)
    if isinstance(result, sympy.Basic):
        require_small_powers(result)
    return result


def _with_size_limit(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        for argument in arguments:
            # sympy evaluates half-integers exactly too
            evaluated = argument.is_Rational and argument.q <= 2
            if evaluated and abs(argument) > _MAX_FACTORIAL:
                raise FormatError(
                    f"{name} of {expression_text(argument)} is too large; its argument may be at most "
                    f"{_MAX_FACTORIAL:,}"
                )
        return function(*arguments)

    return checked


@cache
def _known_functions() -> dict[str, Callable[..., Any]]:
    import sympy

    functions = {name: getattr(sympy, name) for name in _FUNCTIONS}
    return functions | {"abs": sympy.Abs} | {name: getattr(densities, name) for name in _DENSITIES}
