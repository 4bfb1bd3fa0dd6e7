"""Decide whether functions are linearly independent, with certificates that anybody can verify.

The k functions f_1..f_k depend on conditions c and may also contain *generic* symbols z; the question is then decided
for almost every z. The functions may come in several *branches*: another lag, or another pair of values of an action.

INDEPENDENT   k points (branch, c), and a value of z, at which an enclosure of det[f_i(c_r)] excludes zero. Where the
              determinant is analytic in z, it is then nonzero for almost every z.
DEPENDENT     weights w_i, not all zero, that may contain z but not c, with sum_i w_i f_i = 0 in every branch,
              verified by rewriting.

Everything else is undecided. The search is Gaussian elimination in ball arithmetic, so every pivot is proved to be
nonzero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from identify.proof.analytic import is_analytic
from identify.proof.balls import NotEnclosedError, enclose, excludes_zero, precision
from identify.proof.deadline import TimeLimitError, run_within
from identify.proof.expressions import SYMPY_ERRORS, expression_text
from identify.proof.substitution import TooLargeError, substitute
from identify.proof.vanishing import rational_points, vanishes
from identify.wording import plural

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["Branch", "Dependent", "Independent", "Undecided", "linear_independence"]

Branch = tuple["sympy.Expr", ...]
Point = Mapping["sympy.Symbol", "sympy.Rational"]

_BITS = 1024
# candidate points for each function
_CANDIDATES_PER_FUNCTION = 3
# smaller values are treated as zero in the search; the relation that follows is then proved or refuted
_ZERO_TOLERANCE = 1e-40
_MAX_DENOMINATOR = 10_000


@dataclass(frozen=True)
class Independent:
    """A proof that functions are linearly independent.

    Attributes:
        names: Names of the k functions.
        rows: The k branches of the determinant's rows, each of k expressions.
        conditions: One point for each row: values of its symbols other than the generic ones.
        generic: The value of the generic symbols, the same in all rows.
        determinant: The enclosure of the determinant, as text.
        analytic: Whether every function is recognised as analytic in the generic symbols, up to poles, so that one
            value stands for almost every value.
    """

    names: tuple[str, ...]
    rows: tuple[Branch, ...]
    conditions: tuple[Point, ...]
    generic: Point
    determinant: str
    analytic: bool

    def verify(self, bits: int = _BITS) -> bool:
        """Recompute the determinant and return whether its enclosure excludes zero.

        Args:
            bits: Precision of the arithmetic.
        """
        determinant = _determinant(self.rows, self.conditions, self.generic, bits)
        return determinant is not None and excludes_zero(determinant)

    def __str__(self) -> str:
        return f"the determinant at {plural(len(self.rows), 'point')} is {self.determinant}"


@dataclass(frozen=True)
class Dependent:
    """A proof that functions are linearly dependent.

    Attributes:
        names: Names of the k functions.
        weights: The k weights of the relation; those of functions outside the relation are zero.
        branches: All branches, each of k expressions.
        proof: For each branch, the rewriting that gives zero.
    """

    names: tuple[str, ...]
    weights: tuple[sympy.Expr, ...]
    branches: tuple[Branch, ...]
    proof: tuple[str, ...]

    @property
    def related(self) -> tuple[str, ...]:
        """Names of the functions in the relation."""
        return tuple(name for name, weight in zip(self.names, self.weights, strict=True) if weight != 0)

    def verify(self, seconds: float = 30.0) -> bool:
        """Prove again that the combination vanishes in every branch and that some weight does not.

        Args:
            seconds: Time limit for each of these decisions.
        """
        is_nontrivial = any(
            vanishes(weight, seconds).answer is False for weight in self.weights if weight != 0
        )
        return is_nontrivial and all(
            vanishes(_linear_combination(self.weights, branch), seconds).answer for branch in self.branches
        )

    def __str__(self) -> str:
        terms = [
            f"({expression_text(weight, None)}) * [{name}]"
            for name, weight in zip(self.names, self.weights, strict=True)
            if weight != 0
        ]
        return f"{' + '.join(terms)} = 0"


@dataclass(frozen=True)
class Undecided:
    """The answer when neither independence nor dependence is proved.

    Attributes:
        reason: Why neither is proved.
    """

    reason: str


def linear_independence(
    names: Sequence[str],
    branches: Sequence[Branch],
    generic: Iterable[sympy.Symbol],
    seconds: float,
    sample: Callable[[Iterable[sympy.Symbol], int], Iterable[Point]] | None = None,
) -> Independent | Dependent | Undecided:
    """Decide whether functions are linearly independent.

    Args:
        names: Names of the k functions.
        branches: At least one branch, each of k real expressions.
        generic: Symbols that the weights of a relation may contain; all others are conditions.
        seconds: Time limit, after which the answer is undecided.
        sample: Function that returns a given number of points for some conditions; quasi-random numbers by default.

    Example:
        >>> import sympy
        >>> a = sympy.Symbol("a", real=True)
        >>> answer = linear_independence(["f", "g"], [(sympy.exp(a), sympy.exp(a + 2))], [], 10)
        >>> print(answer)
        (-1) * [f] + (exp(-2)) * [g] = 0
        >>> answer.verify()
        True
    """
    problem = _Problem(tuple(names), tuple(branches), tuple(generic), sample or rational_points)
    try:
        return run_within(seconds, problem.decide)
    except TimeLimitError:
        return Undecided(f"neither a determinant nor a relation was found within {seconds:.3g} s")
    except TooLargeError as error:
        return Undecided(str(error))
    except SYMPY_ERRORS as error:
        return Undecided(f"sympy fails on the functions ({type(error).__name__})")


@dataclass(frozen=True)
class _Candidate:
    """A branch at a point, with the enclosed values of its functions."""

    branch: Branch
    conditions: Point
    values: list[Any]


@dataclass(frozen=True)
class _Problem:
    """The arguments of `linear_independence`."""

    names: tuple[str, ...]
    branches: tuple[Branch, ...]
    generic: tuple[Any, ...]
    sample: Callable[[Iterable[Any], int], Iterable[Point]]

    def decide(self) -> Independent | Dependent | Undecided:
        generic = next(iter(rational_points(self.generic, 1, offset=7)))
        candidates = list(self._candidates(generic))
        if not candidates:
            return Undecided("no point was found at which all functions are real, finite and can be enclosed")
        pivots = _eliminate([candidate.values for candidate in candidates])
        if len(pivots) == len(self.names):
            return self._independent([candidates[row] for row, _ in pivots], generic)
        return self._dependent(pivots, candidates)

    def _candidates(self, generic: Point) -> Iterable[_Candidate]:
        n_points = -(-_CANDIDATES_PER_FUNCTION * len(self.names) // len(self.branches)) + 1
        for branch in self.branches:
            conditions = {symbol for function in branch for symbol in function.free_symbols}
            conditions -= set(self.generic)
            for point in self.sample(conditions, n_points if conditions else 1):
                try:
                    values = [enclose(function, {**generic, **point}, _BITS) for function in branch]
                except NotEnclosedError:
                    continue
                yield _Candidate(branch, point, values)

    def _independent(self, candidates: list[_Candidate], generic: Point) -> Independent | Undecided:
        rows = tuple(candidate.branch for candidate in candidates)
        conditions = tuple(candidate.conditions for candidate in candidates)
        determinant = _determinant(rows, conditions, generic, _BITS)
        if determinant is None or not excludes_zero(determinant):
            return Undecided("a determinant appears to be nonzero, but its enclosure contains zero")
        analytic = all(is_analytic(function, self.generic) for row in rows for function in row)
        return Independent(self.names, rows, conditions, generic, determinant.str(5), analytic)

    def _dependent(
        self, pivots: list[tuple[int, int]], candidates: list[_Candidate]
    ) -> Dependent | Undecided:
        columns = [column for _, column in pivots]
        last = next(column for column in range(len(self.names)) if column not in columns)
        rows = [candidates[row] for row, _ in pivots]
        solution = _solve_weights(rows, columns, last)
        for weights in self._candidate_weights(solution, columns, last, rows):
            proofs = [
                vanishes(_linear_combination(weights, branch), float("inf")) for branch in self.branches
            ]
            if all(proof.answer for proof in proofs):
                return Dependent(self.names, weights, self.branches, tuple(proof.reason for proof in proofs))
        names = ", ".join(self.names[column] for column in sorted([*columns, last]))
        return Undecided(
            f"{names} appear to be dependent at all points tried, but no relation between them is proved"
        )

    def _candidate_weights(
        self, solution: list[Any], columns: list[int], last: int, rows: list[_Candidate]
    ) -> Iterable[tuple[sympy.Expr, ...]]:
        """Yield weights to try: first simple fractions, then the symbolic solution in the generic symbols."""
        import sympy

        nonzero = [k for k, value in enumerate(solution) if abs(float(value.mid())) > _ZERO_TOLERANCE]
        related = [columns[k] for k in nonzero]
        fractions = [_nearby_fraction(solution[k]) for k in nonzero]
        if all(fraction is not None for fraction in fractions):
            yield self._weights(related, [fraction for fraction in fractions if fraction is not None], last)
        if not nonzero:
            # the last function alone was tried, and it does not vanish everywhere
            return
        pivots = _eliminate([[row.values[column] for column in related] for row in rows])
        pivot_rows = [rows[row] for row, _ in pivots]

        def entry(row: _Candidate, column: int) -> sympy.Expr:
            return substitute(row.branch[column], row.conditions)

        if len(pivot_rows) == len(related):
            matrix = sympy.Matrix([[entry(row, column) for column in related] for row in pivot_rows])
            right = sympy.Matrix([entry(row, last) for row in pivot_rows])
            weights = matrix.LUsolve(right)
            yield self._weights(related, [sympy.simplify(weight) for weight in weights], last)

    def _weights(self, columns: list[int], values: list[sympy.Expr], last: int) -> tuple[sympy.Expr, ...]:
        import sympy

        weights = [sympy.Integer(0)] * len(self.names)
        for column, value in zip(columns, values, strict=True):
            weights[column] = value
        weights[last] = sympy.Integer(-1)
        return tuple(weights)


def _eliminate(values: list[list[Any]]) -> list[tuple[int, int]]:
    """Return the pivots (row, column) of Gaussian elimination; every one is proved to be nonzero."""
    with precision(_BITS):
        # rows are normalised, so that the largest entry is a good pivot
        remaining = {k: _normalise_row(row) for k, row in enumerate(values)}
        columns = list(range(len(values[0]))) if values else []
        pivots: list[tuple[int, int]] = []
        while remaining and columns:
            _, row, column = max(
                (float(abs(entries[column]).mid()), -k, -column)
                for k, entries in remaining.items()
                for column in columns
            )
            row, column = -row, -column
            pivot_row = remaining.pop(row)
            if abs(float(pivot_row[column].mid())) < _ZERO_TOLERANCE or not excludes_zero(pivot_row[column]):
                break
            pivots.append((row, column))
            columns.remove(column)
            for entries in remaining.values():
                factor = entries[column] / pivot_row[column]
                for other in columns:
                    entries[other] = entries[other] - factor * pivot_row[other]
        return pivots


def _normalise_row(row: list[Any]) -> list[Any]:
    largest = max(abs(float(value.mid())) for value in row)
    return [value / largest for value in row] if largest > 0 else list(row)


def _solve_weights(rows: list[_Candidate], columns: list[int], last: int) -> list[Any]:
    """Return enclosed weights with which the pivot columns add up to the last one in the pivot rows."""
    import flint

    if not rows:
        return []
    with precision(_BITS):
        matrix = flint.arb_mat([[row.values[column] for column in columns] for row in rows])
        right = flint.arb_mat([[row.values[last]] for row in rows])
        try:
            solution = matrix.solve(right)
        except ZeroDivisionError:
            return []
        return [solution[k, 0] for k in range(len(columns))]


def _nearby_fraction(ball: flint.arb) -> sympy.Expr | None:
    """Return a fraction with a small denominator inside the ball, or None."""
    import sympy

    nearest = Fraction(float(ball.mid())).limit_denominator(_MAX_DENOMINATOR)
    fraction = sympy.Rational(nearest.numerator, nearest.denominator)
    return fraction if ball.overlaps(enclose(fraction, {}, _BITS)) else None


def _determinant(
    rows: Sequence[Branch], conditions: Sequence[Point], generic: Point, bits: int
) -> flint.arb | None:
    import flint

    try:
        entries = [
            [enclose(function, {**generic, **point}, bits) for function in row]
            for row, point in zip(rows, conditions, strict=True)
        ]
    except NotEnclosedError:
        return None
    with precision(bits):
        determinant: flint.arb = flint.arb_mat(entries).det()
    return determinant


def _linear_combination(weights: Sequence[sympy.Expr], branch: Branch) -> sympy.Expr:
    import sympy

    return sympy.Add(*(weight * function for weight, function in zip(weights, branch, strict=True)))
