"""`TrainedModel`: what training ends with. It encodes, decodes, and knows the graph that it learned."""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from estimation.baseline_config import BaselineConfig
from estimation.config import SPARSE_VAE, TrainingConfig
from estimation.convolutional import describe
from estimation.dataset import Dataset
from estimation.device import PLAIN, default_modes
from estimation.exceptions import CheckpointError, DataError
from estimation.history import History
from estimation.model import SparseVAE
from estimation.objective import negative_elbo
from estimation.representation import Batch, Representation
from estimation.storage import write_folder
from identify.graph import CausalGraph

__all__ = ["KIND", "TrainedModel"]

KIND = "mechsparse model"

_CHUNK = 16_384
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel:
    """A trained model with its settings and its past: a `SparseVAE`, or a baseline, which has no graph.

    Attributes:
        model: the torch module, in evaluation mode.
        config: how it was trained.
        history: what happened.
        action_names: m names.
        observation_shape: (C, H, W) when observations are flattened images.
    """

    model: Representation
    config: TrainingConfig | BaselineConfig
    history: History
    action_names: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] | None = None

    def encode(self, observations: ArrayLike) -> Array:
        """Posterior means of the latents.

        Args:
            observations: shape (N, T, d_x) or (N, d_x), in the units of the training data.

        Returns:
            shape (N, T, n) or (N, n).

        Raises:
            DataError: another number of observed dimensions, or an entry that is not finite.
        """
        return self._map(observations, self.model.shape.n_observed, "observations", self._encode)

    def decode(self, latents: ArrayLike) -> Array:
        """Mean observations.

        Args:
            latents: shape (N, T, n) or (N, n).

        Returns:
            shape (N, T, d_x) or (N, d_x), in the units of the training data.

        Raises:
            DataError: another number of latents, or an entry that is not finite; or the model has no decoder.
        """
        return self._map(latents, self.model.shape.n_latents, "latents", self._decode)

    @property
    def edge_probabilities(self) -> dict[str, NDArray[np.float64]]:
        """How probable each edge is, by ``"past"`` and ``"actions"``; rows are children."""
        return {
            name: masks.probabilities().detach().double().cpu().numpy()
            for name, masks in self.model.edges.items()
        }

    @property
    def graph(self) -> CausalGraph:
        """The learned graph: edges more likely than not. Learned latents are called v0, v1, ...

        That of a baseline is empty: it says nothing, and constrains nothing.
        """
        found = {name: matrix > 0.5 for name, matrix in self.edge_probabilities.items()}
        names = [f"v{i}" for i in range(self.model.shape.n_latents)]
        actions = list(self.action_names) if "actions" in found else None
        return CausalGraph(Gz=found.get("past"), Ga=found.get("actions"), latents=names, actions=actions)

    @property
    def method(self) -> str:
        """``"sparse_vae"``, or the name of the baseline."""
        return self.config.method if isinstance(self.config, BaselineConfig) else SPARSE_VAE

    def require_graph(self, name: str) -> None:
        """Refuse a baseline where a prediction from the learned graph is asked for: its empty graph allows everything.

        Args:
            name: what to call the model.

        Raises:
            DataError: the method learns no graph.
        """
        if not self.model.edges:
            raise DataError(
                f"{name} is a model of {self.method}, which learns no graph: nothing is predicted of it"
            )

    def negative_elbo(self, dataset: Dataset, seed: int = 0) -> dict[str, float] | None:
        """The terms of the negative ELBO on other data, per observed dimension.

        Args:
            dataset: of the same kind as the training data.
            seed: of the sample drawn from every posterior.

        Returns:
            ``total``, ``reconstruction`` and ``divergence``; None for a method without an ELBO.
        """
        return held_out_terms(self.model, dataset, seed) if self.model.has_bound else None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model into a folder: safetensors and JSON; read it with `estimation.checkpoint.load`.

        Raises:
            FileAccessError: it can't be written.
        """
        content = {
            "method": self.method,
            "config": self.config.to_dict(),
            "shape": asdict(self.model.shape),
            "history": self.history.to_dict(),
            "action_names": list(self.action_names),
            "observation_shape": self.observation_shape,
            "networks": {
                name: describe(getattr(self.model, name))
                for name in ("encoder", "decoder")
                if hasattr(self.model, name)
            },
        }
        write_folder(folder, KIND, content, self.model.state_dict())

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: with the model on the CPU, as a machine without this GPU couldn't read it otherwise."""
        if self.model.x_mean.device.type == "cpu":
            return self.__dict__
        return {**self.__dict__, "model": copy.deepcopy(self.model).cpu()}

    def __copy__(self) -> Self:
        return self._remade(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # copies stay where they are
        return self._remade({name: copy.deepcopy(value, memo) for name, value in self.__dict__.items()})

    def _remade(self, state: dict[str, Any]) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(state)
        return made

    def __repr__(self) -> str:
        shape = self.model.shape
        parts = [f"{shape.n_observed} observed", f"{shape.n_latents} latents"]
        parts += [f"{shape.n_actions} actions"] * bool(shape.n_actions)
        parts += ["a past"] * shape.past
        parts += [f"{self.graph.n_edges} edges" if self.model.edges else self.method]
        return f"TrainedModel({', '.join(parts)})"

    def _encode(self, values: Tensor) -> Tensor:
        mean: Tensor = self.model.mean_latents(self.model.standardised(values))
        return mean

    def _decode(self, values: Tensor) -> Tensor:
        mean: Tensor = self.model.mean_observations(values) * self.model.x_scale + self.model.x_mean
        return mean

    @default_modes
    @torch.no_grad()
    def _map(self, values: ArrayLike, width: int, what: str, function: Any) -> Array:
        array = np.asarray(values, dtype=np.float32)
        if array.ndim not in (2, 3) or array.shape[-1] != width:
            raise DataError(
                f"{what} have shape {array.shape}; this model needs (N, T, {width}) or (N, {width})"
            )
        if not np.isfinite(array).all():
            raise DataError(f"{what} hold an entry that is not finite; remove or fill it first")
        flat = torch.from_numpy(array.reshape(-1, width))
        like = self.model.x_mean
        parts = [function(flat[k : k + _CHUNK].to(like)).float().cpu() for k in range(0, len(flat), _CHUNK)]
        result = torch.cat(parts) if parts else torch.empty(0, 0, **PLAIN)
        return np.asarray(result.numpy().reshape(*array.shape[:-1], result.shape[-1]))


def load_state(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Put tensors into a model.

    Raises:
        CheckpointError: they don't fit; the text says which.
    """
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        lines = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{where}: the tensors don't fit the model ({lines}); give the encoder and decoder it was trained with"
        ) from error


@default_modes
@torch.no_grad()
def held_out_terms(model: Representation, dataset: Dataset, seed: int) -> dict[str, float]:
    """The terms of the negative ELBO, averaged over a dataset of one or two steps."""
    device, dtype = model.x_mean.device, model.x_mean.dtype
    generator = torch.Generator(device).manual_seed(seed)
    totals = {"reconstruction": 0.0, "divergence": 0.0}
    for start in range(0, len(dataset), _CHUNK):
        part = slice(start, start + _CHUNK)
        x = torch.from_numpy(np.ascontiguousarray(dataset.observations[part])).to(device, dtype)
        a = (
            None
            if dataset.actions is None
            else torch.from_numpy(np.ascontiguousarray(dataset.actions[part])).to(device, dtype)
        )
        for name, term in zip(totals, _bound(model, Batch(x, a), generator), strict=True):
            totals[name] += float(term) * len(x) / len(dataset)
    return {"total": sum(totals.values()), **totals}


def _bound(model: Representation, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    if isinstance(model, SparseVAE):
        terms = negative_elbo(model, batch, None, generator)
        return terms.reconstruction, terms.divergence
    return model.bound(batch, generator)
