"""The model as a map from standard normal numbers w to observations, with its Jacobian.

Every step of a sequence is a function of the step before it and of noise of its own::

    z^1 = h(q(w^1))                 without actions: q from normal scores (`estimation.prediction.latent_marginals`)
    z^1 = T(w^1 | a)                given actions and no past: the transition p(z | a)
    z^t = T(w^t | z^(t-1), a)       later steps: the transition, as location plus scale times noise
    x^t = f(h^(-1)(z^t))            decoder f and flow h

so the prior of w = (w^1, ..., w^T) is Gaussian, whatever the distributions of the latents are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from estimation.models.jacobian import batch_jacobian
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.mechanisms import Latents, from_noise, noise_slopes, of_rows

__all__ = ["Generation"]


@dataclass(frozen=True)
class Generation:
    """The map of some rows. Results are in double precision.

    Attributes:
        model: The networks.
        first: The first step: the distribution of the latents over the training data, or that of each row.
        actions: For each later step its actions as the model takes them, shape (B, m), or None.
        covariates: Standardised covariates of the rows, shape (B, d_c); None for their averages, or without any.
    """

    model: SparseVAE
    first: LatentMarginals | Latents
    actions: Sequence[Tensor | None] = ()
    covariates: Tensor | None = None

    @property
    def n_coordinates(self) -> int:
        """Number of coordinates of w: n for every step."""
        return self.model.shape.n_latents * (1 + len(self.actions))

    @cached_property
    def precision(self) -> Tensor:
        """The precision matrix of the prior of w, whose mean is 0."""
        n = self.model.shape.n_latents
        matrix = np.eye(self.n_coordinates)
        if isinstance(self.first, LatentMarginals):
            matrix[:n, :n] = np.linalg.inv(self.first.correlations)
        return torch.as_tensor(matrix, device=self.model.x_mean.device)

    def of_rows(self, rows: slice | Tensor) -> Generation:
        """Return the map of some of the rows."""
        first = self.first if isinstance(self.first, LatentMarginals) else of_rows(self.first, rows)
        covariates = None if self.covariates is None else self.covariates[rows]
        return Generation(
            self.model, first, [None if a is None else a[rows] for a in self.actions], covariates
        )

    def _decoder(self, rows: Tensor) -> Callable[[Tensor], Tensor]:
        return self.model.decoder_given(None if self.covariates is None else self.covariates[rows])

    def evaluate(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents and observations of points (S, B, n T).

        Returns:
            Latents, shape (S, B, T, n), and standardised observations without noise, shape (S, B, T d_x).
        """
        rows = torch.arange(w.shape[1], device=w.device).repeat(len(w))
        steps = list(self._steps(w.flatten(0, 1), rows))
        latents = torch.stack([step.z for step in steps], dim=1).double()
        decoder = self._decoder(rows)
        values = torch.cat([decoder(step.u) for step in steps], dim=1).double()
        return latents.view(*w.shape[:2], len(steps), -1), values.view(*w.shape[:2], -1)

    def with_jacobian(self, w: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return observations and Jacobians at points, shapes (P, T d_x) and (P, T d_x, n T).

        The scale of a transition is taken to be constant, which is enough for Gauss-Newton steps.

        Args:
            w: Points, shape (P, n T).
            rows: The row of each point, shape (P,).
        """
        observations, jacobians = [], []
        for tangent, u in self._tangents(w, rows):
            values, jacobian = batch_jacobian(self._decoder(rows), u)
            row = jacobian.double() @ tangent
            observations.append(values.double())
            # the noise of later steps
            later = w.shape[1] - row.shape[2]
            jacobians.append(torch.cat([row, row.new_zeros(*row.shape[:2], later)], dim=2))
        return torch.cat(observations, dim=1), torch.cat(jacobians, dim=1)

    def _tangents(self, w: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield for every step the derivative of u by the noise of all steps up to it, and u."""
        carried: Tensor | None = None
        for step in self._steps(w, rows, differentiate=True):
            if step.u_slopes is not None:
                tangent = torch.diag_embed(step.u_slopes.double())
                carried = None if len(self.actions) == 0 else self._flow_jacobian(step.u) @ tangent
            else:
                assert step.z_slopes is not None
                own = torch.diag_embed(step.z_slopes.double())
                if carried is None:
                    carried = own
                else:
                    assert step.by_past is not None
                    carried = torch.cat([step.by_past @ carried, own], dim=2)
                tangent = torch.linalg.solve(self._flow_jacobian(step.u), carried)
            yield tangent, step.u

    def _flow_jacobian(self, u: Tensor) -> Tensor:
        jacobian: Tensor = self.model.flow.with_jacobian(u)[1].double()
        return jacobian

    def _steps(self, w: Tensor, rows: Tensor, differentiate: bool = False) -> Iterator[_Step]:
        """Yield the steps of points w (P, n T) of some rows (P,)."""
        noise = torch.split(w, self.model.shape.n_latents, dim=1)
        step = self._first_step(noise[0], rows, differentiate)
        yield step
        for e, actions in zip(noise[1:], self.actions, strict=True):
            action = None if actions is None else actions[rows]
            by_past = self._derivative_by_past(step.z, action) if differentiate else None
            step = self._drawn(self.model.transition(step.z, action), e, by_past, differentiate)
            yield step

    def _first_step(self, w: Tensor, rows: Tensor, differentiate: bool) -> _Step:
        like = self.model.x_mean
        if not isinstance(self.first, LatentMarginals):
            return self._drawn(of_rows(self.first, rows), w, None, differentiate)
        values, slopes = self.first.values(w.cpu().numpy())
        u = torch.as_tensor(values).to(like)
        return _Step(self.model.flow(u), u, u_slopes=torch.as_tensor(slopes, device=like.device))

    def _drawn(self, latents: Latents, noise: Tensor, by_past: Tensor | None, differentiate: bool) -> _Step:
        """Return a step whose latents (P, n) have a distribution, for their noise (P, n)."""
        z = from_noise(latents, noise.to(self.model.x_mean)[None])[0]
        slopes = noise_slopes(latents, z) if differentiate else None
        return _Step(z, self.model.flow.inverse(z), z_slopes=slopes, by_past=by_past)

    def _derivative_by_past(self, past: Tensor, actions: Tensor | None) -> Tensor:
        """Return the derivative of the mean of the latents by those of the step before, shape (P, n, n)."""
        change = self.model.transition_jacobian(past, actions).double()
        return change + torch.eye(past.shape[1], dtype=change.dtype, device=change.device)


@dataclass(frozen=True)
class _Step:
    """One step of some points.

    Attributes:
        z: Latents, shape (P, n).
        u: Their preimages under the flow, the inputs of the decoder.
        u_slopes: Derivatives of u by the noise of this step, if each depends on its own only; else None.
        z_slopes: The same for z.
        by_past: Derivative of z by the latents of the step before, shape (P, n, n), or None.
    """

    z: Tensor
    u: Tensor
    u_slopes: Tensor | None = None
    z_slopes: Tensor | None = None
    by_past: Tensor | None = None
