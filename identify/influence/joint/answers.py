"""From sparsest bases to the answer: predicted entanglement, competing directions, certificate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from identify.influence.joint.fields import Field, Matrix, PrimeField, Rationals, Reals
from identify.influence.joint.result import Direction, JointCertificate, JointInfluence, Number, summary
from identify.influence.joint.sparsest import Effects, Sparsest, entangled, weigh

__all__ = ["Names", "answer", "undecided_reason"]

_ATTEMPTS = 50
_LARGEST_COEFFICIENT = 7


@dataclass(frozen=True)
class Names:
    """Names of the latents and the actions."""

    latents: tuple[str, ...]
    actions: tuple[str, ...]


def undecided_reason(seconds: float) -> str:
    """Return the reason for an answer that is undecided."""
    return f"neither a competing direction nor a proof that there is none was found within {seconds:.3g} s"


def answer(
    effects: Effects,
    found: Sparsest,
    names: Names,
    seconds: float,
    certify: Callable[[Matrix | None], JointCertificate | None],
) -> JointInfluence:
    """Return the answer from the sparsest bases that were found.

    Args:
        effects: What the actions do, on the true latents.
        found: The result of `find_sparsest`, complete or not.
        names: Names of latents and actions.
        seconds: The time limit.
        certify: Returns the certificate for a direction that is not heavier than a true latent in it, or for the claim
            that there is none (None).
    """
    n = effects.n_latents
    weights = weigh(effects, effects.field.eye(n))
    vectors = _competing_vectors(effects, found)
    if not vectors and not found.complete:
        return JointInfluence(
            "undecided", None, None, undecided_reason(seconds), names.latents, tuple(weights)
        )
    entanglement = entangled(effects, found) if found.complete else None
    n_fewer = sum(weights) - sum(found.weights)
    stuck = (
        [names.latents[i] for i in range(n) if entanglement[i].sum() > 1] if entanglement is not None else []
    )
    directions = tuple(_direction(effects, vector, weights, names) for vector in vectors)
    witness = _witness(effects, vectors, weights)
    is_wrong = n_fewer > 0 and found.complete
    return JointInfluence(
        status="fails" if vectors else "holds",
        entanglement=entanglement,
        certificate=certify(witness),
        reason=summary(n, stuck, n_fewer, found.complete),
        latents=names.latents,
        weights=tuple(weights),
        sparsest_weights=tuple(sorted(found.weights)) if found.complete else None,
        n_fewer=n_fewer,
        directions=directions,
        basis=tuple(_direction(effects, vector, weights, names) for vector in found.basis)
        if is_wrong
        else None,
        exact=not isinstance(effects.field, Reals),
        tolerance=effects.field.tolerance if isinstance(effects.field, Reals) else None,
    )


def _competing_vectors(effects: Effects, found: Sparsest) -> list[Matrix]:
    """Return the wrong latents of the basis, and directions for all pairs that stay entangled, simple ones first."""
    field = effects.field
    result = [row for row in found.basis if field.nonzero(row).sum() > 1]
    covered: dict[int, set[int]] = {}
    subspaces = [(row, field.product(subspace, found.basis)) for row, subspace in found.equal]
    subspaces.sort(key=lambda item: (len(item[1]), int(field.support(item[1]).sum())))
    for row, subspace in subspaces:
        support = set(np.flatnonzero(field.support(subspace)).tolist())
        if support <= covered.setdefault(row, set()) or len(support) < 2:
            continue
        covered[row] |= support
        result.append(_member(field, subspace))
    return result


def _member(field: Field, subspace: Matrix) -> Matrix:
    """Return a direction of the subspace that contains all latents of the subspace, with small coefficients."""
    wanted = field.support(subspace)
    rng = np.random.default_rng(0)
    best: Matrix = subspace[0]
    for attempt in range(_ATTEMPTS):
        largest = _LARGEST_COEFFICIENT * (1 + attempt)
        factors = field.array([[1, *rng.integers(1, largest, size=len(subspace) - 1).tolist()]])
        vector: Matrix = field.product(factors, subspace)[0]
        if (field.nonzero(vector) == wanted).all():
            return vector
        if field.nonzero(vector).sum() > field.nonzero(best).sum():
            best = vector
    return best


def _witness(effects: Effects, vectors: Sequence[Matrix], weights: Sequence[int]) -> Matrix | None:
    """Return the first direction that is not heavier than a latent in it, or None without directions."""
    for vector in vectors:
        support = np.flatnonzero(effects.field.nonzero(vector)).tolist()
        if weigh(effects, vector[None])[0] <= max(weights[i] for i in support):
            return vector
    return None


def _direction(effects: Effects, vector: Matrix, weights: Sequence[int], names: Names) -> Direction:
    support = np.flatnonzero(effects.field.nonzero(vector)).tolist()
    units = effects.field.eye(effects.n_latents)[support]
    acting = effects.moved(units).any(axis=0)
    moved = effects.moved(vector[None])[0]
    weight = int(moved.sum())
    return Direction(
        latents=tuple(names.latents[i] for i in support),
        coefficients=_normalised(effects.field, vector[support]),
        weight=weight,
        cancelled=tuple(names.actions[a] for a in np.flatnonzero(acting & ~moved)),
        beside=tuple(names.latents[i] for i in support if weights[i] >= weight),
    )


def _normalised(field: Field, values: Matrix) -> tuple[Number, ...]:
    """Return nonzero coefficients with a positive first one: coprime integers, residues, or floats of magnitude 1."""
    if isinstance(field, Rationals):
        common = math.lcm(*(value.denominator for value in values))
        integers = [int(value * common) for value in values]
        factor = math.gcd(*integers) * (1 if integers[0] > 0 else -1)
        return tuple(value // factor for value in integers)
    if isinstance(field, PrimeField):
        inverse = field.inverse(values[0])
        return tuple(int(value) * inverse % field.prime for value in values)
    largest = float(np.abs(values).max()) * (1 if values[0] > 0 else -1)
    return tuple(float(value) / largest for value in values)
