"""What can be wrong with data, a configuration, a training run or a saved model.

They derive from `identify.exceptions.IdentifyError`, so that one ``except`` catches both packages and the command
line turns each of them into one line.
"""

from __future__ import annotations

from identify.exceptions import IdentifyError

__all__ = ["CheckpointError", "ConfigError", "DataError", "NotDifferentiableError", "TrainingError"]


class DataError(IdentifyError):
    """Observations, actions or latents don't have the shape, type or values that they should have."""


class ConfigError(IdentifyError):
    """A setting is unknown, out of its range, or at odds with another one or with the data."""


class TrainingError(IdentifyError):
    """Training can't go on: a number stopped being finite, or a module gave the wrong shape."""


class NotDifferentiableError(IdentifyError):
    """Torch can't differentiate a map, for instance a decoder of the user's."""


class CheckpointError(IdentifyError):
    """A saved model is missing a part, damaged, of another version, or not ours."""
