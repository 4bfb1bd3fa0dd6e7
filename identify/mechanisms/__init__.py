"""Conditional densities of the latents, written in sympy, and the causal graph that they imply."""

from identify.mechanisms.densities import (
    exponential_family,
    gaussian,
    laplace,
    logistic,
    mixture,
    student_t,
)
from identify.mechanisms.files import read_mechanisms
from identify.mechanisms.model import Mechanisms, sampled
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
    "sampled",
    "student_t",
]
