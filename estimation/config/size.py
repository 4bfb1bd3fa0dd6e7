"""How many numbers a model holds, from its settings alone: asked before memory is spent on it.

The counts are of weights and of the table behind a full posterior covariance, biases left out. So they are a little
below what a model really holds, and a file of weights that has fewer numbers can't be of that model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimation.exceptions import ConfigError

__all__ = [
    "MOST_IN_BATCH",
    "MOST_NUMBERS",
    "MOST_SAMPLES",
    "require_affordable",
    "require_affordable_batch",
    "table_size",
    "weight_count",
]

# 1.2 GB in single precision; gradients and moments of the optimiser come on top
MOST_NUMBERS = 300_000_000
# 4 GB in single precision, and gradients come on top
MOST_IN_BATCH = 1_000_000_000
# of a process that is drawn: 20 observed coordinates of as many take a gigabyte
MOST_SAMPLES = 10_000_000
# of the networks whose sizes no setting gives, a few less than they have
_POSTERIOR_WIDTH, _FLOW_WIDTH, _BUMPS = 64, 128, 32
_SIZES = ("width", "depth", "head_width", "head_depth", "transition_width", "transition_depth")


def weight_count(
    settings: Mapping[str, Any],
    n_observed: int = 1,
    n_latents: int = 1,
    n_inputs: int = 1,
    own_encoder: bool = False,
    own_decoder: bool = False,
) -> int:
    """At least so many weights has the model of these settings.

    Args:
        settings: Settings of a `TrainingConfig` or a `BaselineConfig`, as a mapping.
        n_observed: d_x.
        n_latents: n.
        n_inputs: of the transition networks: actions, and past latents where there is a past.
        own_encoder: whether the user gave the encoder, whose size is unknown.
        own_decoder: the same for the decoder.

    Example:
        >>> weight_count({"width": 100, "depth": 2}, n_observed=20, n_latents=10)
        26000
    """
    width, depth, n = settings["width"], settings["depth"], n_latents
    total = 0 if own_encoder else _perceptron(n_observed, n, width, depth)
    if settings.get("method") in (None, "vae", "tcvae", "ivae", "slowvae"):
        total += 0 if own_decoder else _perceptron(n, n_observed, width, depth)
    if settings.get("method") == "ivae":
        total += _perceptron(1, n, 4 * settings["head_width"], settings["head_depth"])
    if settings.get("method") == "pcl":
        total += n * (_perceptron(n, 1, settings["head_width"], settings["head_depth"]) + n * _BUMPS)
    if settings.get("transition_width") is not None:
        total += n * _perceptron(n_inputs, 1, settings["transition_width"], settings["transition_depth"])
        total += n * n_inputs * _BUMPS if settings["transition"] == "sines" else 0
        total += settings["flow_blocks"] * 2 * n * _FLOW_WIDTH
        total += _POSTERIOR_WIDTH * (n * (n + 1) // 2) if settings["posterior"] == "full" else 0
    return int(total)


def table_size(settings: Mapping[str, Any], n_latents: int) -> int:
    """The entries of the table that puts what a full posterior says of pairs of latents into a matrix."""
    return n_latents**3 * (n_latents - 1) // 2 if settings.get("posterior") == "full" else 0


def require_affordable(settings: Mapping[str, Any], n_latents: int = 1, **sizes: Any) -> None:
    """Refuse what is beyond the memory of common machines.

    Args:
        settings: as for `weight_count`.
        n_latents: n; 1 as long as it isn't known.
        sizes: the rest of what `weight_count` takes; what isn't known is left out.

    Raises:
        ConfigError: the model would hold more than ``MOST_NUMBERS``.

    Example:
        >>> require_affordable({"width": 100_000, "depth": 3})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        estimation.exceptions.ConfigError: these sizes make a model of 4e+10 numbers (n_latents=1, width=100000, ...
    """
    table = table_size(settings, n_latents)
    total = weight_count(settings, n_latents=n_latents, **sizes) + table
    if total > MOST_NUMBERS:
        given = {"n_latents": n_latents, **{name: settings.get(name) for name in _SIZES}}
        shown = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
        advice = "; posterior='diagonal' takes less" if table > MOST_NUMBERS // 2 else ""
        raise ConfigError(
            f"these sizes make a model of {total:.0e} numbers ({shown}); at most {MOST_NUMBERS:.0e} are held{advice}"
        )


def require_affordable_batch(settings: Mapping[str, Any], rows: int, n_latents: int) -> None:
    """Refuse batches whose hidden units alone are beyond the memory of common machines.

    Args:
        settings: as for `weight_count`.
        rows: of a batch, as the data have them.
        n_latents: n.

    Raises:
        ConfigError: they would hold more than ``MOST_IN_BATCH``.

    Example:
        >>> require_affordable_batch({"width": 128, "depth": 3}, 10_000_000, 10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        estimation.exceptions.ConfigError: a batch of 10000000 rows has 8e+09 hidden units; ...
    """
    units = 2 * settings["depth"] * settings["width"]
    if settings.get("transition_width") is not None:
        units += n_latents * settings["transition_width"] * settings["transition_depth"]
        units += n_latents**2 if settings["posterior"] == "full" else 0
    # each row is told from every other one
    units += rows if settings.get("method") == "pcl" else 0
    if rows * units > MOST_IN_BATCH:
        most = max(2, MOST_IN_BATCH // units)
        raise ConfigError(
            f"a batch of {rows} rows has {rows * units:.0e} hidden units; at most {MOST_IN_BATCH:.0e} are held: "
            f"batch_size={most} or less"
        )


def _perceptron(inputs: int, outputs: int, width: int, depth: int) -> int:
    if depth == 0:
        return inputs * outputs
    return inputs * width + (depth - 1) * width**2 + width * outputs
