"""Are functions linearly independent? Yes with points, no with a relation; each can be checked by anybody.

k functions f_1..f_k of conditions c, each of which may also hold *generic* symbols z (the question is asked for almost
every z). They may come in several *branches*: another lag, another pair of values of an action. Then

INDEPENDENT   k points (branch, c), and a value of z, at which det[f_i(c_r)] is enclosed away from zero. Where the
              determinant is analytic in z, it is then not zero for almost every z.
DEPENDENT     weights w_i, not all zero, that may hold z and not c, with sum_i w_i f_i = 0 in every branch,
              verified by rewriting.

Anything else is undecided. The search eliminates in ball arithmetic, so that a pivot is known not to be zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from identify.proof.analytic import is_analytic
from identify.proof.balls import NotEnclosedError, enclose, excludes_zero, precision
from identify.proof.deadline import OutOfTimeError, within
from identify.proof.substitution import TooLargeError, substituted
from identify.proof.vanishing import points, vanishes
from identify.proof.words import FAILURES, in_words
from identify.wording import plural

if TYPE_CHECKING:
    import flint
    import sympy

__all__ = ["Branch", "Dependent", "Independent", "Undecided", "linear_independence"]

Branch = tuple["sympy.Expr", ...]
Point = Mapping["sympy.Symbol", "sympy.Rational"]

_BITS = 1024
# candidate points for each function
_CANDIDATES = 3
# what looks like zero with so many digits is taken for it, until it is proved or refuted
_SMALL = 1e-40
_LARGEST_DENOMINATOR = 10_000


@dataclass(frozen=True)
class Independent:
    """A proof that functions are linearly independent.

    Attributes:
        names: Of the functions, k.
        rows: k branches, each of k expressions.
        conditions: k points, one for each row: values of its symbols but the generic ones.
        generic: Value of the generic symbols, the same in all rows.
        determinant: The enclosure found, as text.
        analytic: Whether every function is seen to be analytic in the generic symbols, up to poles, so that one value
            stands for almost every one.
    """

    names: tuple[str, ...]
    rows: tuple[Branch, ...]
    conditions: tuple[Point, ...]
    generic: Point
    determinant: str
    analytic: bool

    def verify(self, bits: int = _BITS) -> bool:
        """Evaluate the determinant anew and say whether it is enclosed away from zero.

        Args:
            bits: Of the arithmetic.
        """
        found = _determinant(self.rows, self.conditions, self.generic, bits)
        return found is not None and excludes_zero(found)

    def __str__(self) -> str:
        count = len(self.rows)
        return f"the determinant at {plural(count, 'point')} is {self.determinant}"


@dataclass(frozen=True)
class Dependent:
    """A proof that functions are linearly dependent.

    Attributes:
        names: Of the functions, k.
        weights: k expressions; those of functions outside the relation are zero.
        branches: All of them, each of k expressions.
        proof: The rewriting that left nothing, for each branch.
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
        """Prove anew that the combination vanishes in every branch, and that some weight does not.

        Args:
            seconds: For each of these decisions.
        """
        some = any(vanishes(weight, seconds).answer is False for weight in self.weights if weight != 0)
        return some and all(
            vanishes(_combined(self.weights, branch), seconds).answer for branch in self.branches
        )

    def __str__(self) -> str:
        parts = [
            f"({in_words(weight, None)}) * [{name}]"
            for name, weight in zip(self.names, self.weights, strict=True)
            if weight != 0
        ]
        return f"{' + '.join(parts)} = 0"


@dataclass(frozen=True)
class Undecided:
    """Neither was proved.

    Attributes:
        reason: why.
    """

    reason: str


def linear_independence(
    names: Sequence[str],
    branches: Sequence[Branch],
    generic: Iterable[sympy.Symbol],
    seconds: float,
    ranges: Callable[[Iterable[sympy.Symbol], int], Iterable[Point]] | None = None,
) -> Independent | Dependent | Undecided:
    """Decide whether functions are linearly independent.

    Args:
        names: Of the k functions.
        branches: One at least, each of k real expressions.
        generic: Symbols that the weights of a relation may depend on; all others are conditions.
        seconds: After which it is undecided.
        ranges: Draws so many points for conditions; real numbers without pattern when left out.

    Example:
        >>> import sympy
        >>> a = sympy.Symbol("a", real=True)
        >>> found = linear_independence(["f", "g"], [(sympy.exp(a), sympy.exp(a + 2))], [], 10)
        >>> print(found)
        (-1) * [f] + (exp(-2)) * [g] = 0
        >>> found.verify()
        True
    """
    problem = _Problem(tuple(names), tuple(branches), tuple(generic), ranges or points)
    try:
        return within(seconds, problem.decide)
    except OutOfTimeError:
        return Undecided(f"neither a determinant nor a relation was found within {seconds:.3g} s")
    except TooLargeError as error:
        return Undecided(str(error))
    except FAILURES as error:
        return Undecided(f"sympy fails on the functions ({type(error).__name__})")


@dataclass(frozen=True)
class _Candidate:
    branch: Branch
    conditions: Point
    values: list[Any]


@dataclass(frozen=True)
class _Problem:
    names: tuple[str, ...]
    branches: tuple[Branch, ...]
    generic: tuple[Any, ...]
    ranges: Callable[[Iterable[Any], int], Iterable[Point]]

    def decide(self) -> Independent | Dependent | Undecided:
        at = next(iter(points(self.generic, 1, offset=7)))
        candidates = list(self._candidates(at))
        if not candidates:
            return Undecided("no point was found at which all functions are real, finite and can be enclosed")
        eliminated = _eliminate([candidate.values for candidate in candidates])
        if len(eliminated) == len(self.names):
            return self._independent([candidates[row] for row, _ in eliminated], at)
        return self._dependent(eliminated, candidates)

    def _candidates(self, at: Point) -> Iterable[_Candidate]:
        each = -(-_CANDIDATES * len(self.names) // len(self.branches)) + 1
        for branch in self.branches:
            free = {symbol for part in branch for symbol in part.free_symbols} - set(self.generic)
            for point in self.ranges(free, each if free else 1):
                try:
                    values = [enclose(part, {**at, **point}, _BITS) for part in branch]
                except NotEnclosedError:
                    continue
                yield _Candidate(branch, point, values)

    def _independent(self, chosen: list[_Candidate], at: Point) -> Independent | Undecided:
        rows = tuple(candidate.branch for candidate in chosen)
        conditions = tuple(candidate.conditions for candidate in chosen)
        found = _determinant(rows, conditions, at, _BITS)
        if found is None or not excludes_zero(found):
            return Undecided("a determinant looks different from zero, and its enclosure holds zero")
        analytic = all(is_analytic(part, self.generic) for row in rows for part in row)
        return Independent(self.names, rows, conditions, at, found.str(5), analytic)

    def _dependent(
        self, eliminated: list[tuple[int, int]], candidates: list[_Candidate]
    ) -> Dependent | Undecided:
        columns = [column for _, column in eliminated]
        last = next(column for column in range(len(self.names)) if column not in columns)
        rows = [candidates[row] for row, _ in eliminated]
        solved = _solved(rows, columns, last)
        for weights in self._guesses(solved, columns, last, rows):
            proofs = [vanishes(_combined(weights, branch), float("inf")) for branch in self.branches]
            if all(proof.answer for proof in proofs):
                return Dependent(self.names, weights, self.branches, tuple(proof.reason for proof in proofs))
        which = ", ".join(self.names[column] for column in sorted([*columns, last]))
        return Undecided(
            f"at all points tried, {which} look dependent, but no relation between them is proved"
        )

    def _guesses(
        self, solved: list[Any], columns: list[int], last: int, rows: list[_Candidate]
    ) -> Iterable[tuple[sympy.Expr, ...]]:
        """Weights to try: simple numbers first, then what follows from the points, with generic symbols kept."""
        import sympy

        used = [k for k, value in enumerate(solved) if abs(float(value.mid())) > _SMALL]
        simple = [_recognised(solved[k]) for k in used]
        if all(number is not None for number in simple):
            yield self._weights([columns[k] for k in used], [n for n in simple if n is not None], last)
        if not used:
            # the last function alone, and it did not vanish everywhere
            return
        relevant = [columns[k] for k in used]
        picked = _eliminate([[row.values[column] for column in relevant] for row in rows])
        chosen = [rows[row] for row, _ in picked]

        def entry(row: _Candidate, column: int) -> sympy.Expr:
            return substituted(row.branch[column], row.conditions)

        if len(chosen) == len(relevant):
            matrix = sympy.Matrix([[entry(row, column) for column in relevant] for row in chosen])
            right = sympy.Matrix([entry(row, last) for row in chosen])
            weights = matrix.LUsolve(right)
            yield self._weights(relevant, [sympy.simplify(weight) for weight in weights], last)

    def _weights(self, columns: list[int], values: list[sympy.Expr], last: int) -> tuple[sympy.Expr, ...]:
        import sympy

        weights = [sympy.Integer(0)] * len(self.names)
        for column, value in zip(columns, values, strict=True):
            weights[column] = value
        weights[last] = sympy.Integer(-1)
        return tuple(weights)


def _eliminate(values: list[list[Any]]) -> list[tuple[int, int]]:
    """Pivots (row, column) of Gaussian elimination; every one is known not to be zero."""
    with precision(_BITS):
        # rows of one size, so that the largest entry is a good pivot
        work = {k: _scaled(row) for k, row in enumerate(values)}
        columns = list(range(len(values[0]))) if values else []
        pivots: list[tuple[int, int]] = []
        while work and columns:
            _, row, column = max(
                (float(abs(entries[column]).mid()), -k, -column)
                for k, entries in work.items()
                for column in columns
            )
            row, column = -row, -column
            pivot = work.pop(row)
            if abs(float(pivot[column].mid())) < _SMALL or not excludes_zero(pivot[column]):
                break
            pivots.append((row, column))
            columns.remove(column)
            for entries in work.values():
                factor = entries[column] / pivot[column]
                for other in columns:
                    entries[other] = entries[other] - factor * pivot[other]
        return pivots


def _scaled(row: list[Any]) -> list[Any]:
    size = max(abs(float(value.mid())) for value in row)
    return [value / size for value in row] if size > 0 else list(row)


def _solved(rows: list[_Candidate], columns: list[int], last: int) -> list[Any]:
    """Enclosed weights of the pivot columns that give the last one, at the pivot rows."""
    import flint

    if not rows:
        return []
    with precision(_BITS):
        matrix = flint.arb_mat([[row.values[column] for column in columns] for row in rows])
        right = flint.arb_mat([[row.values[last]] for row in rows])
        try:
            found = matrix.solve(right)
        except ZeroDivisionError:
            return []
        return [found[k, 0] for k in range(len(columns))]


def _recognised(ball: flint.arb) -> sympy.Expr | None:
    """A fraction of small numbers inside the ball."""
    import sympy

    near = Fraction(float(ball.mid())).limit_denominator(_LARGEST_DENOMINATOR)
    found = sympy.Rational(near.numerator, near.denominator)
    return found if ball.overlaps(enclose(found, {}, _BITS)) else None


def _determinant(
    rows: Sequence[Branch], conditions: Sequence[Point], generic: Point, bits: int
) -> flint.arb | None:
    import flint

    try:
        entries = [
            [enclose(part, {**generic, **point}, bits) for part in row]
            for row, point in zip(rows, conditions, strict=True)
        ]
    except NotEnclosedError:
        return None
    with precision(bits):
        found: flint.arb = flint.arb_mat(entries).det()
    return found


def _combined(weights: Sequence[sympy.Expr], branch: Branch) -> sympy.Expr:
    import sympy

    return sympy.Add(*(weight * part for weight, part in zip(weights, branch, strict=True)))
