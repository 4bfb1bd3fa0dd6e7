"""`TrainedModel`: what training ends with. It encodes, decodes, and knows the graph that it learned."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from estimation.config import TrainingConfig
from estimation.convolutional import describe, rebuild
from estimation.dataset import Dataset
from estimation.exceptions import CheckpointError, DataError
from estimation.history import History
from estimation.model import Shape, SparseVAE
from estimation.objective import Batch, negative_elbo
from estimation.storage import read_folder, write_folder
from identify.graph import CausalGraph

__all__ = ["KIND", "TrainedModel"]

KIND = "mechsparse model"

_CHUNK = 16_384
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel:
    """A trained SparseVAE with its settings and its past.

    Attributes:
        model: the torch module, in evaluation mode.
        config: how it was trained.
        history: what happened.
        action_names: m names.
        observation_shape: (C, H, W) when observations are flattened images.
    """

    model: SparseVAE
    config: TrainingConfig
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
            DataError: another number of latents, or an entry that is not finite.
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
        """The learned graph: edges more likely than not. Learned latents are called v0, v1, ..."""
        found = {name: matrix > 0.5 for name, matrix in self.edge_probabilities.items()}
        names = [f"v{i}" for i in range(self.model.shape.n_latents)]
        actions = list(self.action_names) if "actions" in found else None
        return CausalGraph(Gz=found.get("past"), Ga=found.get("actions"), latents=names, actions=actions)

    def negative_elbo(self, dataset: Dataset, seed: int = 0) -> dict[str, float]:
        """The terms of the negative ELBO on other data, per observed dimension.

        Args:
            dataset: of the same kind as the training data.
            seed: of the sample drawn from every posterior.

        Returns:
            ``total``, ``reconstruction`` and ``divergence``.
        """
        return held_out_terms(self.model, dataset, seed)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model into a folder: safetensors and JSON; read it with `estimation.checkpoint.load`.

        Raises:
            FileAccessError: it can't be written.
        """
        content = {
            "config": self.config.to_dict(),
            "shape": asdict(self.model.shape),
            "history": self.history.to_dict(),
            "action_names": list(self.action_names),
            "observation_shape": self.observation_shape,
            "networks": {
                "encoder": describe(self.model.encoder),
                "decoder": describe(self.model.decoder),
            },
        }
        write_folder(folder, KIND, content, self.model.state_dict())

    @classmethod
    def read(
        cls,
        folder: str | os.PathLike[str],
        device: str = "cpu",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> TrainedModel:
        """Read what `save` wrote, on any device.

        Args:
            folder: the folder.
            device: where to put the model.
            encoder: of the same kind as the one trained, when it was the user's own. Those of
                `estimation.convolutional` are known from the folder.
            decoder: the same.

        Raises:
            CheckpointError: it is missing, damaged, foreign, of another version, or needs the user's own modules.
        """
        content, tensors = read_folder(folder, KIND)
        try:
            config = TrainingConfig.from_dict(content["config"])
            shape = Shape(**content["shape"])
            history = History.from_dict(content["history"])
            names, image = tuple(content["action_names"]), content["observation_shape"]
            networks = content.get("networks", {})
            encoder = rebuild(networks.get("encoder")) if encoder is None else encoder
            decoder = rebuild(networks.get("decoder")) if decoder is None else decoder
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder}: is damaged (its description lacks or misnames something: {error})"
            ) from error
        model = SparseVAE(shape, config, torch.Generator(), encoder, decoder)
        model.to(device, getattr(torch, config.dtype)).eval()
        load_state(model, tensors, f"{folder}")
        return cls(model, config, history, names, None if image is None else tuple(image))

    def __repr__(self) -> str:
        shape = self.model.shape
        parts = [f"{shape.n_observed} observed", f"{shape.n_latents} latents"]
        parts += [f"{shape.n_actions} actions"] * bool(shape.n_actions)
        parts += ["a past"] * shape.past
        return f"TrainedModel({', '.join(parts)}, {self.graph.n_edges} edges)"

    def _encode(self, values: Tensor) -> Tensor:
        mean: Tensor = self.model.mean_latents(self.model.standardised(values))
        return mean

    def _decode(self, values: Tensor) -> Tensor:
        mean: Tensor = self.model.mean_observations(values) * self.model.x_scale + self.model.x_mean
        return mean

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
        result = torch.cat(parts) if parts else torch.empty(0, 0)
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


@torch.no_grad()
def held_out_terms(model: SparseVAE, dataset: Dataset, seed: int) -> dict[str, float]:
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
        terms = negative_elbo(model, Batch(x, a), None, generator)
        for name in totals:
            totals[name] += float(getattr(terms, name)) * len(x) / len(dataset)
    return {"total": sum(totals.values()), **totals}
