"""Saved models and interrupted runs, on disk."""

from __future__ import annotations

import os

from torch import nn

from estimation.trained import TrainedModel

__all__ = ["load"]


def load(
    folder: str | os.PathLike[str],
    device: str = "cpu",
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> TrainedModel:
    """A trained model from its folder; one saved on a GPU loads on a CPU.

    Args:
        folder: as given to `TrainedModel.save`.
        device: where to put the model.
        encoder: of the same kind as the one trained, when it was the user's own. Those of
            `estimation.convolutional` are known from the folder.
        decoder: the same.

    Raises:
        CheckpointError: it is missing, damaged, foreign, of another version, or needs the user's own modules.
    """
    return TrainedModel.read(folder, device, encoder, decoder)
