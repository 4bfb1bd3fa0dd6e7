"""The answer on joint influence: status, predicted entanglement, competing directions and certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from identify.influence.report import Status
from identify.wording import listed, plural

__all__ = ["Direction", "JointCertificate", "JointInfluence", "Number", "summary"]

Number = Fraction | int | float


class JointCertificate(Protocol):
    """What a certificate of joint influence offers."""

    def verify(self) -> bool:
        """Recompute the certificate and return whether it holds."""


@dataclass(frozen=True)
class Direction:
    """A direction w of the latent space: the linear combination of latents that one learned latent may be.

    Attributes:
        latents: Names of the latents with a nonzero coefficient.
        coefficients: The coefficients of those latents, up to a common factor: exact numbers or floats if the effects
            are numbers, residues modulo the prime of the certificate if they are generic.
        weight: Number of actions that move the direction, which is the number of edges that a learned latent along it
            needs.
        cancelled: Names of the actions that act on some of the latents and don't move the direction.
        beside: Names of the latents in whose place the direction enters a sparsest basis.
    """

    latents: tuple[str, ...]
    coefficients: tuple[Number, ...]
    weight: int
    cancelled: tuple[str, ...]
    beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        cancelled = f"cancels {listed(self.cancelled)}" if self.cancelled else "cancels no action"
        return f"a combination of {listed(self.latents)} moves with {plural(self.weight, 'action')} ({cancelled})"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; exact numbers that are not integers become text such as ``"-2/3"``."""
        return {
            "latents": list(self.latents),
            "coefficients": [_json_number(value) for value in self.coefficients],
            "weight": self.weight,
            "cancelled": list(self.cancelled),
            "beside": list(self.beside),
        }


@dataclass(frozen=True, eq=False)
class JointInfluence:
    """Whether the true latents are the sparsest basis, and what stays entangled otherwise.

    ``bool(joint)`` is whether joint influence holds.

    Attributes:
        status: ``"holds"``: the true latents are the one sparsest basis, up to order and scale, so a model with a graph
            as sparse as the true one disentangles completely. ``"fails"``: they are not, either because other bases
            have as few edges (``n_fewer`` is 0) or because some have fewer. ``"undecided"``: the time limit passed.
        entanglement: V as a boolean array of shape (n, n), rows as everywhere: ``entanglement[i, j]`` is true if true
            latent i may depend on the learned latent that is matched to latent j. None if it was not determined within
            the time limit. If ``n_fewer`` is 0, every entry occurs in some sparsest basis. Otherwise, learned latents
            have no true ones to be matched to, and V is an upper bound: it has every pair i, j that meet in a direction
            of some sparsest basis whose lighter directions don't determine latent j.
        certificate: Evidence that ``certificate.verify()`` recomputes exactly; None if undecided or numerical.
        reason: The answer in a sentence.
        latents: Names of the latents.
        weights: For each latent, the number of actions that act on it: the edges of the true graph.
        sparsest_weights: The same numbers for a sparsest basis, in ascending order; None if undecided.
        n_fewer: How many edges fewer than the true graph the sparsest basis needs; 0 if the truth is a sparsest basis.
        directions: Directions that compete with the true latents; at most a few per latent.
        basis: A sparsest basis with fewer edges than the truth; None unless there is one.
        exact: Whether the answer is proved; False for floating-point numbers, where it is numerical evidence.
        tolerance: The relative tolerance below which a floating-point number counts as zero; None if exact.
    """

    status: Status
    entanglement: NDArray[np.bool_] | None
    certificate: JointCertificate | None
    reason: str
    latents: tuple[str, ...]
    weights: tuple[int, ...]
    sparsest_weights: tuple[int, ...] | None = None
    n_fewer: int = 0
    directions: tuple[Direction, ...] = ()
    basis: tuple[Direction, ...] | None = None
    exact: bool = True
    tolerance: float | None = None

    def __bool__(self) -> bool:
        return self.status == "holds"

    def __str__(self) -> str:
        return (
            f"joint influence {'is undecided' if self.status == 'undecided' else self.status}: {self.reason}"
        )

    @property
    def disentangled(self) -> NDArray[np.bool_]:
        """Whether row i of V is {i}, for each latent; all False if V was not determined."""
        if self.entanglement is None:
            return np.zeros(len(self.latents), dtype=bool)
        result: NDArray[np.bool_] = self.entanglement.sum(axis=1) == 1
        return result

    def entangled_with(self, latent: int) -> tuple[str, ...]:
        """Return the names of the other latents in one row of V."""
        if self.entanglement is None:
            return ()
        return tuple(self.latents[j] for j in np.flatnonzero(self.entanglement[latent]) if j != latent)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "status": self.status,
            "holds": bool(self),
            "exact": self.exact,
            "tolerance": self.tolerance,
            "reason": self.reason,
            "certificate": None if self.certificate is None else str(self.certificate),
            "latents": list(self.latents),
            "weights": list(self.weights),
            "sparsest_weights": None if self.sparsest_weights is None else list(self.sparsest_weights),
            "n_fewer": self.n_fewer,
            "entanglement": None if self.entanglement is None else self.entanglement.astype(int).tolist(),
            "directions": [direction.to_dict() for direction in self.directions],
            "basis": None if self.basis is None else [direction.to_dict() for direction in self.basis],
        }


def summary(n_latents: int, entangled: Sequence[str], n_fewer: int, is_complete: bool) -> str:
    """Return the reason in a sentence: what a model with the sparsest graph finds.

    Args:
        n_latents: Number of latents.
        entangled: Names of the latents that stay entangled.
        n_fewer: Number of edges by which a basis is sparser than the true latents.
        is_complete: Whether the search was finished; if not, some competing direction is known, and not all of them.
    """
    if n_fewer:
        count = plural(n_fewer, "edge") if is_complete else f"at least {plural(n_fewer, 'edge')}"
        return (
            f"a basis of other directions needs {count} fewer than the true latents, "
            "so a sparse model finds wrong latents"
        )
    if not is_complete:
        return "other directions are as sparse as true latents; the time limit passed before all of them were found"
    if entangled:
        return (
            "the true latents are a sparsest basis, but others are equally sparse: "
            f"{listed(entangled)} {'stays' if len(entangled) == 1 else 'stay'} entangled"
        )
    if n_latents == 1:
        return "there is only one latent"
    return "the true latents are the one sparsest basis: every other direction needs more edges than the latents in it"


def _json_number(value: Number) -> int | float | str:
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return value
