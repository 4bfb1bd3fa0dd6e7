"""Conditional densities of the latents, written in sympy, and the causal graph that they imply.

=============  ====================================================================
module         contents
=============  ====================================================================
``densities``  builders of log-densities: gaussian, laplace, mixture, ...
``model``      `Mechanisms`: the log-densities of all latents, and the causal graph
``natural``    log-densities as exponential families
``formulas``   formulas in text -> sympy expressions, without executing anything
``files``      mechanisms from TOML and Python files
=============  ====================================================================
"""

from identify.mechanisms.densities import (
    exponential_family,
    gaussian,
    laplace,
    logistic,
    mixture,
    skew_normal,
    student_t,
)
from identify.mechanisms.files import read_mechanisms
from identify.mechanisms.model import Mechanisms, sample_points
from identify.mechanisms.natural import NaturalForm, natural_form

__all__ = [
    "Mechanisms",
    "NaturalForm",
    "exponential_family",
    "gaussian",
    "laplace",
    "logistic",
    "mixture",
    "natural_form",
    "read_mechanisms",
    "sample_points",
    "skew_normal",
    "student_t",
]
