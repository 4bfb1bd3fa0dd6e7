"""Substitution of numbers that would fill the memory, and short texts of expressions."""

from __future__ import annotations

import pytest
import sympy

from identify.proof.balls import NotEnclosedError
from identify.proof.expressions import expression_text
from identify.proof.substitution import TooLargeError, require_small_powers, substitute

z, a, b = sympy.symbols("z a b", real=True)


def test_substitution_agrees_with_sympy_unless_the_result_is_too_large() -> None:
    expression = z * 2**a + sympy.gamma(a) + a**b + sympy.sqrt(a) ** 3
    small = {a: sympy.Integer(3), b: sympy.Rational(1, 2)}
    assert substitute(expression, small) == expression.subs(small)
    far = {a: sympy.Integer(10) ** 308}
    assert substitute(1 / (a**2 + 1) + sympy.sqrt(a), far) == (1 / (a**2 + 1) + sympy.sqrt(a)).subs(far)
    # a power of a symbol that remains is not expanded
    assert substitute(z**a, {a: sympy.Integer(10) ** 9}) == z ** (10**9)
    for large in (2**a, a**b, sympy.gamma(a + 1), sympy.loggamma(a), sympy.factorial(a)):
        with pytest.raises(TooLargeError, match="is too large a number where"):
            substitute(large, {a: sympy.Integer(10) ** 9, b: sympy.Integer(10) ** 6})
    require_small_powers(z**1000)
    with pytest.raises(TooLargeError, match="the exponent 1000000 is too large; the limit is 100,000"):
        require_small_powers(1 + z**1_000_000)


def test_texts_of_expressions_are_short() -> None:
    assert expression_text(sympy.Integer(10) ** 5000) == "an expression with a number of thousands of digits"
    long = sympy.Add(*(sympy.Symbol(f"a_rather_long_name_{k}") for k in range(30)))
    assert len(expression_text(long)) == 120
    assert expression_text(long, None) == str(long)
    assert str(NotEnclosedError("has no value", a)) == "a has no value"
