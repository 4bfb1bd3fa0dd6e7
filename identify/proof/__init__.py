"""Decisions with a proof, within a time limit: zero or not, independent or not, or undecided.

================  =========================================================================================
module            contents
================  =========================================================================================
``deadline``      run a function under a time limit
``expressions``   short texts of sympy expressions, and the exceptions that sympy raises
``balls``         enclosures of values in ball arithmetic (Arb)
``substitution``  substitute numbers, unless the result would fill the memory
``vanishing``     decide whether an expression is zero almost everywhere
``analytic``      recognise analytic expressions, for which one value of z stands for almost every value
``independence``  decide whether functions are linearly independent, with certificates that can be verified
================  =========================================================================================
"""
