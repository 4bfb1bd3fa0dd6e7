"""Errors in data, configurations, training runs and saved models.

All of them derive from `identify.exceptions.IdentifyError`. One ``except`` therefore catches the errors of both
packages, and the command line prints each of them in one line.
"""

from __future__ import annotations

from identify.exceptions import IdentifyError

__all__ = ["CheckpointError", "ConfigError", "DataError", "NotDifferentiableError", "TrainingError"]


class DataError(IdentifyError):
    """Observations, actions or latents have a wrong shape, type or value."""


class ConfigError(IdentifyError):
    """A setting is unknown, out of range, or inconsistent with another setting or with the data."""


class TrainingError(IdentifyError):
    """Training can't continue: a number is no longer finite, or a network returns a wrong shape."""


class NotDifferentiableError(IdentifyError):
    """Torch can't differentiate a function, for instance a user-supplied decoder."""


class CheckpointError(IdentifyError):
    """A saved model is incomplete, damaged, of another version, or not a model of this package."""
