"""Saved models, read from disk."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from estimation.baseline_config import BaselineConfig
from estimation.baselines.making import fresh
from estimation.config import SPARSE_VAE, TrainingConfig
from estimation.convolutional import rebuild
from estimation.exceptions import CheckpointError, DataError
from estimation.history import History
from estimation.model import SparseVAE
from estimation.representation import Representation, Shape
from estimation.storage import read_folder
from estimation.trained import KIND, TrainedModel, load_state, names_of, set_centring_

__all__ = ["load"]


def load(
    folder: str | os.PathLike[str],
    device: str = "cpu",
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> TrainedModel:
    """A trained model from its folder, a baseline too; one saved on a GPU loads on a CPU.

    Args:
        folder: as given to `TrainedModel.save`.
        device: where to put the model.
        encoder: of the same kind as the one trained, when it was the user's own. Those of
            `estimation.convolutional` are known from the folder.
        decoder: the same.

    Raises:
        CheckpointError: it is missing, damaged, foreign, of another version, or needs the user's own modules.
    """
    content, tensors = read_folder(folder, KIND)
    try:
        config = _config(content)
        shape = Shape(**content["shape"])
        history = History.from_dict(content["history"])
        names, image = tuple(content["action_names"]), content["observation_shape"]
        kept = names_of(content, shape.n_observed)
        networks = content.get("networks", {})
        encoder = rebuild(networks.get("encoder")) if encoder is None else encoder
        decoder = rebuild(networks.get("decoder")) if decoder is None else decoder
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise CheckpointError(
            f"{folder}: is damaged (its description lacks or misnames something: {error})"
        ) from error
    model = _model(shape, config, encoder, decoder)
    try:
        set_centring_(model, content)
    except DataError as error:
        raise CheckpointError(f"{folder}: is damaged ({error})") from error
    model.to(device, getattr(torch, config.dtype)).eval()
    load_state(model, tensors, f"{folder}")
    shape_of_image = None if image is None else tuple(image)
    return TrainedModel(model, config, history, names, shape_of_image, **kept)


def _config(content: dict[str, Any]) -> TrainingConfig | BaselineConfig:
    # releases before the baselines wrote no method
    kind = TrainingConfig if content.get("method", SPARSE_VAE) == SPARSE_VAE else BaselineConfig
    return kind.from_dict(content["config"])


def _model(
    shape: Shape,
    config: TrainingConfig | BaselineConfig,
    encoder: nn.Module | None,
    decoder: nn.Module | None,
) -> Representation:
    if isinstance(config, BaselineConfig):
        return fresh(shape, config, encoder, decoder)
    return SparseVAE(shape, config, torch.Generator(), encoder, decoder)
