"""Log-densities as exponential families: q(z | c) proportional to exp(sum_k T_k(z) lambda_k(c)).

The score is sum_k T_k'(z) lambda_k(c). Its terms are split into a factor of the latent and a factor of the conditions;
terms whose second factor is a number are part of the base measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from identify.proof.vanishing import vanishes

if TYPE_CHECKING:
    import sympy

__all__ = ["NaturalForm", "natural_form"]


@dataclass(frozen=True)
class NaturalForm:
    """One latent's score as sum_k slopes[k] * parameters[k], plus a function of the latent alone.

    Attributes:
        slopes: T_k'(z), expressions in the latent.
        parameters: lambda_k(c), expressions in the conditions.
    """

    slopes: tuple[sympy.Expr, ...]
    parameters: tuple[sympy.Expr, ...]


def natural_form(score: sympy.Expr, latent: sympy.Symbol, seconds: float) -> NaturalForm | None:
    """Split a score into statistics and natural parameters.

    Args:
        score: d/dz log q(z | c).
        latent: z.
        seconds: For the decision whether the split is right.

    Returns:
        None when the terms don't separate: no exponential family, or not seen to be one.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a", real=True)
        >>> natural_form((sympy.sin(a) - z) / 2, z, 5)
        NaturalForm(slopes=(1,), parameters=(sin(a)/2,))
    """
    import sympy

    collected: dict[sympy.Expr, sympy.Expr] = {}
    for term in sympy.Add.make_args(sympy.expand(score)):
        rest, own = term.as_independent(latent, as_Add=False)
        if own.free_symbols - {latent}:
            return None
        collected[own] = collected.get(own, sympy.Integer(0)) + rest
    varying = {own: rest for own, rest in collected.items() if rest.free_symbols}
    base = sympy.Add(*(own * rest for own, rest in collected.items() if not rest.free_symbols))
    rebuilt = base + sympy.Add(*(own * rest for own, rest in varying.items()))
    if not vanishes(rebuilt - score, seconds).answer:
        return None
    return NaturalForm(tuple(varying), tuple(varying.values()))
