"""Log-densities as exponential families: q(z | c) proportional to exp(sum_k T_k(z) lambda_k(c)).

The score is sum_k T_k'(z) lambda_k(c). Each of its terms is split into a factor of the latent and a factor of the
conditions; terms whose second factor is a number belong to the base measure.
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
    """One latent's score as sum_k derivatives[k] * parameters[k], plus a function of the latent alone.

    Attributes:
        derivatives: Derivatives T_k'(z), expressions in the latent.
        parameters: Natural parameters lambda_k(c), expressions in the conditions.
    """

    derivatives: tuple[sympy.Expr, ...]
    parameters: tuple[sympy.Expr, ...]


def natural_form(score: sympy.Expr, latent: sympy.Symbol, seconds: float) -> NaturalForm | None:
    """Split a score into sufficient statistics and natural parameters.

    Args:
        score: The score d/dz log q(z | c).
        latent: The latent z.
        seconds: Time limit for proving that the split is right.

    Returns:
        The natural form, or None if the terms don't separate: the density is not an exponential family, or not
        recognised as one.

    Example:
        >>> import sympy
        >>> z, a = sympy.symbols("z a", real=True)
        >>> natural_form((sympy.sin(a) - z) / 2, z, 5)
        NaturalForm(derivatives=(1,), parameters=(sin(a)/2,))
    """
    import sympy

    coefficients: dict[sympy.Expr, sympy.Expr] = {}
    for term in sympy.Add.make_args(sympy.expand(score)):
        coefficient, derivative = term.as_independent(latent, as_Add=False)
        if derivative.free_symbols - {latent}:
            return None
        coefficients[derivative] = coefficients.get(derivative, sympy.Integer(0)) + coefficient
    parameters = {derivative: value for derivative, value in coefficients.items() if value.free_symbols}
    base = sympy.Add(
        *(derivative * value for derivative, value in coefficients.items() if not value.free_symbols)
    )
    recombined = base + sympy.Add(*(derivative * value for derivative, value in parameters.items()))
    if not vanishes(recombined - score, seconds).answer:
        return None
    return NaturalForm(tuple(parameters), tuple(parameters.values()))
