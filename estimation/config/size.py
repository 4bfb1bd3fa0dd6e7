"""The number of parameters of a model, computed from its settings before memory is allocated.

Weights are counted, biases are not. So the counts are slightly below the true numbers, and a file with fewer numbers
can't hold the weights of such a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimation.exceptions import ConfigError

__all__ = [
    "MOST_IN_BATCH",
    "MOST_NUMBERS",
    "MOST_SAMPLES",
    "axes_read",
    "is_wide",
    "require_affordable",
    "require_affordable_batch",
    "weight_count",
]

# 1.2 GB in single precision, not counting gradients and moments of the optimiser
MOST_NUMBERS = 300_000_000
# 4 GB in single precision, not counting gradients
MOST_IN_BATCH = 1_000_000_000
# samples of a simulated process: with 20 observed dimensions, this number takes a gigabyte
MOST_SAMPLES = 10_000_000
# columns that networks read as they are, and the least number of principal axes that they read of more
_LEAST_AXES, _AXES_PER_LATENT = 256, 4
# sizes of networks that no setting controls, rounded down
_POSTERIOR_WIDTH, _FLOW_WIDTH, _BUMPS = 64, 128, 32
_NOISE_FEATURES, _SPLINE_PARAMETERS = 4, 25
_SIZES = ("width", "depth", "head_width", "head_depth", "transition_width", "transition_depth")


def is_wide(settings: Mapping[str, Any], n_observed: int) -> bool:
    """Return whether there are too many columns to be read as they are by networks that a step moves far.

    The published networks, which have no linear part and learn slowly, read all columns.

    Example:
        >>> is_wide({"skip": True}, 200), is_wide({"skip": True}, 5_000), is_wide({"skip": False}, 5_000)
        (False, True, False)
    """
    return bool(settings.get("skip", True)) and n_observed > _LEAST_AXES


def axes_read(settings: Mapping[str, Any], n_observed: int, n_latents: int) -> int | None:
    """Return the number of principal axes that an encoder reads; None if it reads the columns.

    Example:
        >>> axes_read({"skip": True}, 200, 10), axes_read({"skip": True}, 5_000, 20)
        (None, 256)
        >>> axes_read({"skip": True}, 5_000, 100), axes_read({"skip": True}, 400, 100)
        (400, None)
    """
    n_axes = max(_LEAST_AXES, _AXES_PER_LATENT * n_latents)
    return n_axes if is_wide(settings, n_observed) and n_axes < n_observed else None


def weight_count(
    settings: Mapping[str, Any],
    n_observed: int = 1,
    n_latents: int = 1,
    n_inputs: int = 1,
    own_encoder: bool = False,
    own_decoder: bool = False,
) -> int:
    """Return a lower bound on the number of weights of a model.

    Args:
        settings: Settings of a `TrainingConfig` or a `BaselineConfig`, as a mapping.
        n_observed: Number of observed dimensions.
        n_latents: Number of latents.
        n_inputs: Number of inputs of the transition networks: actions, and past latents if there is a past.
        own_encoder: Whether the encoder is user-supplied, so that its size is unknown.
        own_decoder: Whether the decoder is user-supplied.

    Example:
        >>> weight_count({"width": 100, "depth": 2}, n_observed=20, n_latents=10)
        26000
    """
    width, depth, n = settings["width"], settings["depth"], n_latents
    n_axes = axes_read(settings, n_observed, n) if settings.get("method") is None else None
    total = 0 if own_encoder else _perceptron(n_axes or n_observed, n, width, depth)
    if settings.get("method") in (None, "vae", "tcvae", "ivae", "slowvae"):
        total += 0 if own_decoder else _perceptron(n, n_observed, width, depth)
    if settings.get("method") == "ivae":
        total += _perceptron(1, n, 4 * settings["head_width"], settings["head_depth"])
    if settings.get("method") == "pcl":
        total += n * (_perceptron(n, 1, settings["head_width"], settings["head_depth"]) + n * _BUMPS)
    if settings.get("transition_width") is not None:
        total += n * _perceptron(n_inputs, 1, settings["transition_width"], settings["transition_depth"])
        total += n * n_inputs * _BUMPS if settings["transition"] == "sines" else 0
        if settings.get("noise", "gaussian") != "gaussian":
            width, depth = settings["transition_width"], settings["transition_depth"]
            total += n * _perceptron(n_inputs, _NOISE_FEATURES, width, depth)
            total += n * n_inputs * _BUMPS * _NOISE_FEATURES if settings["transition"] == "sines" else 0
        total += settings["flow_blocks"] * 2 * n * _FLOW_WIDTH
        total += _covariance_weights(settings, n, _n_read(settings, n, n_observed, own_encoder))
    return int(total)


def require_affordable(settings: Mapping[str, Any], n_latents: int = 1, **sizes: Any) -> None:
    """Refuse a model that exceeds the memory of common machines.

    Args:
        settings: Settings, as for `weight_count`.
        n_latents: Number of latents; 1 if it isn't known yet.
        sizes: The other arguments of `weight_count`, as far as they are known.

    Raises:
        ConfigError: If the model would hold more than ``MOST_NUMBERS`` numbers.

    Example:
        >>> require_affordable({"width": 100_000, "depth": 3})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        estimation.exceptions.ConfigError: these sizes make a model of 4e+10 numbers (n_latents=1, width=100000, ...
    """
    total = weight_count(settings, n_latents=n_latents, **sizes)
    n_observed = sizes.get("n_observed", 1)
    if settings.get("method") is None and not sizes.get("own_encoder"):
        # files of earlier versions have no axes, so that the lower bound doesn't count them
        total += (axes_read(settings, n_observed, n_latents) or 0) * n_observed
    if total > MOST_NUMBERS:
        sizes_by_name = {"n_latents": n_latents, **{name: settings.get(name) for name in _SIZES}}
        shown = ", ".join(f"{name}={value}" for name, value in sizes_by_name.items() if value is not None)
        n_read = _n_read(settings, n_latents, sizes.get("n_observed", 1), sizes.get("own_encoder", False))
        is_large = _covariance_weights(settings, n_latents, n_read) > MOST_NUMBERS // 2
        advice = "; posterior='diagonal' takes less" if is_large else ""
        raise ConfigError(
            f"these sizes make a model of {total:.0e} numbers ({shown}); at most {MOST_NUMBERS:.0e} are held{advice}"
        )


def require_affordable_batch(settings: Mapping[str, Any], rows: int, n_latents: int) -> None:
    """Refuse batches whose hidden units alone exceed the memory of common machines.

    Args:
        settings: Settings, as for `weight_count`.
        rows: Number of rows of a batch.
        n_latents: Number of latents.

    Raises:
        ConfigError: If a batch would have more than ``MOST_IN_BATCH`` hidden units.

    Example:
        >>> require_affordable_batch({"width": 128, "depth": 3}, 10_000_000, 10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        estimation.exceptions.ConfigError: a batch of 10000000 rows has 8e+09 hidden units; ...
    """
    units = 2 * settings["depth"] * settings["width"]
    if settings.get("transition_width") is not None:
        units += n_latents * settings["transition_width"] * settings["transition_depth"]
        if settings.get("noise", "gaussian") != "gaussian":
            units += n_latents * (
                settings["transition_width"] * settings["transition_depth"] + _SPLINE_PARAMETERS
            )
        units += n_latents**2 if settings["posterior"] == "full" else 0
    # each row is compared with every other one
    units += rows if settings.get("method") == "pcl" else 0
    if rows * units > MOST_IN_BATCH:
        max_rows = max(2, MOST_IN_BATCH // units)
        raise ConfigError(
            f"a batch of {rows} rows has {rows * units:.0e} hidden units; at most {MOST_IN_BATCH:.0e} are held: "
            f"batch_size={max_rows} or less"
        )


def _n_read(settings: Mapping[str, Any], n_latents: int, n_observed: int, own_encoder: bool) -> int:
    """Return how many inputs the noise of the posterior reads at least."""
    is_count = settings.get("likelihood", "gaussian") != "gaussian"
    return n_latents if own_encoder or is_count or is_wide(settings, n_observed) else n_observed


def _covariance_weights(settings: Mapping[str, Any], n_latents: int, n_read: int) -> int:
    """Return the number of weights behind the entries of a full posterior covariance, which also reads inputs."""
    if settings.get("posterior") != "full":
        return 0
    return (_POSTERIOR_WIDTH + n_read) * (n_latents * (n_latents + 1) // 2)


def _perceptron(inputs: int, outputs: int, width: int, depth: int) -> int:
    if depth == 0:
        return inputs * outputs
    return inputs * width + (depth - 1) * width**2 + width * outputs
