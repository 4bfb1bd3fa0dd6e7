"""Synthetic data: the published processes exactly as published, and processes with any graph and mechanism."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from estimation.config.size import MOST_SAMPLES
from estimation.dataset.dataset import Dataset
from estimation.device import default_modes
from estimation.exceptions import ConfigError
from estimation.simulate import published_processes
from estimation.simulate.actions import ActionChoice, sample_actions
from estimation.simulate.decoders import Balls, LeakyMLP, Polynomial, Standardised, decode_in_chunks
from estimation.simulate.densities import DensityMechanism
from estimation.simulate.mechanisms import Mechanism, interventions, sines
from identify.graph import CausalGraph
from identify.mechanisms.model import Mechanisms
from identify.names import quoted

__all__ = ["SPLITS", "published", "simulate"]

Split = Literal["train", "valid", "test"]
DecoderName = Literal["mlp", "polynomial", "balls"]
Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
MechanismFactory = Callable[[CausalGraph, np.random.Generator], Mechanism]
DecoderFactory = Callable[[int, np.random.Generator], nn.Module]

SPLITS: tuple[Split, ...] = ("train", "valid", "test")

_NOISE = 0.01
# enough to estimate the mean and scale of an observed dimension to a percent
_N_CALIBRATION = 20_000
# all pixels share one scale, so that fewer images give the same precision
_N_CALIBRATION_IMAGES = 2_000
# integrating a density takes about 0.1 ms
_N_CALIBRATION_DENSITIES = 5_000
_N_LAYERS = 4


@default_modes
def published(
    name: str,
    n_samples: int,
    split: Split = "train",
    density: float | None = None,
    graph_seed: int | None = None,
) -> Dataset:
    """Return a published data set, exactly as published.

    Two properties of the published code hold here and not in `simulate`. Actions are sampled with the generator of the
    process, so all splits share their first actions (the noise differs). And every split is standardised by its own
    mean and scale.

    Args:
        name: ``ActionDiag``, ``ActionNonDiag``, ``ActionBlockDiag``, ``ActionBlockNonDiag``, the same four with
            ``Time``, ``ActionNonDiag_NoSuffInf`` and ``TimeNonDiag_NoSuffInf`` (linear effects, which violate
            sufficient influence), ``ActionNonDiag_VarDep`` and ``TimeNonDiag_VarDep`` (variance depends on the
            state), ``ActionRandom`` and ``TimeRandom``.
        n_samples: Number of samples of this split.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        density: Density of a random graph; published are 0.1, 0.2, 0.4, 0.6 and 0.9.
        graph_seed: Seed of a random graph; published are 11, 22, 33, 44 and 55.

    Returns:
        A dataset with observations (n_samples, T, 20), where T = 1 with actions and 2 with a past, latents
        (n_samples, T, 10), actions (n_samples, m) or None, the true graph, and the true decoder (standardised like the
        observations).

    Raises:
        ConfigError: If the name or split is unknown, or density and graph seed are missing or don't apply.

    Example:
        >>> data = published("ActionDiag", 100)
        >>> data.observations.shape, data.actions.shape, data.graph.n_edges
        ((100, 1, 20), (100, 10), 10)
    """
    _require_samples(n_samples, split)
    process_generator = np.random.default_rng(published_processes.PROCESS_SEED)
    process = published_processes.build(name, process_generator, density, graph_seed)
    actions = published_processes.draw_actions(process.graph, n_samples, process_generator)
    generator = np.random.default_rng(published_processes.SPLIT_SEEDS[split])
    steps = 1 if process.graph.n_actions else 2
    latents = _roll_out(process.mechanism, n_samples, steps, actions, generator)
    clean = decode_in_chunks(process.decoder, latents)
    decoder = _standardise(process.decoder, clean)
    return _observe(decoder, clean, latents, actions, generator, _NOISE, process.graph, name)


@default_modes
def simulate(
    name_or_graph: str | CausalGraph | Mechanisms,
    n_samples: int,
    seed: int = 0,
    split: Split = "train",
    *,
    mechanism: Mechanism | MechanismFactory | None = None,
    decoder: DecoderName | nn.Module | DecoderFactory = "mlp",
    n_observed: int | None = None,
    n_steps: int | None = None,
    actions: ActionChoice = "uniform",
    noise: float = _NOISE,
    variance: float | None = None,
    density: float | None = None,
    graph_seed: int | None = None,
) -> Dataset:
    """Sample data from a process with known ground truth.

    The seed fixes the process: the graph where it is random, the coefficients and the decoder. Splits are different
    samples of the same process, with different actions; all are standardised with the same mean and scale.

    Mechanisms give the latents any conditional densities, so that causes may change variances and shapes as well as
    means. Latents are then quantiles of their densities at uniform random numbers, with cumulative distribution
    functions accurate to 1e-5; the graph is the one that the mechanisms imply.

    Args:
        name_or_graph: Name of a published process, a graph, or mechanisms with at most one lag.
        n_samples: N, the number of samples.
        seed: Seed of the process.
        split: ``"train"``, ``"valid"`` or ``"test"``: different samples of the same process.
        mechanism: A `Mechanism`, or a function of (graph, generator) that returns one. By default the published
            mechanism for a name, sums of sines of the parents for a graph, and shifts for interventions. Not with
            mechanisms as the process.
        decoder: ``"mlp"`` (random, injective), ``"polynomial"``, ``"balls"`` (coloured balls on images of 32 x 32;
            requires an even number of latents), a module, or a function of (n_latents, generator) that returns one.
        n_observed: Number of observed dimensions d_x; by default twice the number of latents.
        n_steps: T, the number of time steps; by default 2 with a past and 1 without.
        actions: ``"uniform"`` on [-2, 2], or on the values of an action that the mechanisms give values; ``"normal"``;
            ``"interventions"`` (one indicator for each action, of which at most one is 1; no action in a fraction
            1 / (m + 1) of the samples); or a function of (N, generator). Actions are independent except in the last two
            cases, and must take the values that the mechanisms give them.
        noise: Standard deviation of the observation noise, in units of a standardised dimension. The pixels of an
            image are standardised with a common scale.
        variance: Variance of the latents' noise; by default 1e-4, or 1 with interventions.
        density: Density of a random graph (``"ActionRandom"``, ``"TimeRandom"``).
        graph_seed: Seed of a random graph; by default the seed of the process.

    Returns:
        A dataset with observations (N, T, d_x), actions (N, m), or (N, T - 1, m) when T > 2, or None, latents
        (N, T, n), the true graph, and the true decoder, a torch module.

    Raises:
        ConfigError: If an argument is unknown or out of its range, the arguments don't fit each other, or a density of
            the mechanisms has no finite integral.
        UndecidedError: If an edge of the graph that the mechanisms imply is undecided.

    Example:
        >>> graph = CausalGraph(Gz=[[1, 0], [1, 1]], Ga=[[1], [0]])
        >>> data = simulate(graph, 50, seed=3)
        >>> data.observations.shape, data.actions.shape
        ((50, 2, 4), (50, 1))
    """
    _require_samples(n_samples, split)
    if not noise >= 0:
        raise ConfigError(f"noise is {noise}; it is a standard deviation, 0 or more")
    process = _process(
        name_or_graph, seed, mechanism, decoder, n_observed, actions, variance, density, graph_seed
    )
    steps = _steps(process.graph, n_steps)
    # the seed and the name of the split give a generator that differs from those of the process and of other splits
    generator = np.random.default_rng([seed, zlib.crc32(split.encode())])
    calibration = np.random.default_rng([seed, zlib.crc32(b"calibration")])
    count = _calibration_size(process)
    sampled_actions = _sample_actions(process, actions, count, steps, calibration)
    reference = _roll_out(process.mechanism, count, steps, sampled_actions, calibration)
    standardised = _standardise(process.decoder, decode_in_chunks(process.decoder, reference))
    sampled_actions = _sample_actions(process, actions, n_samples, steps, generator)
    latents = _roll_out(process.mechanism, n_samples, steps, sampled_actions, generator)
    clean = decode_in_chunks(process.decoder, latents)
    return _observe(
        standardised, clean, latents, sampled_actions, generator, noise, process.graph, process.name
    )


@dataclass(frozen=True)
class _Process:
    """A resolved process, without the samples."""

    name: str
    graph: CausalGraph
    mechanism: Mechanism | DensityMechanism
    decoder: nn.Module
    action_values: dict[str, Array] = field(default_factory=dict)


def _process(
    source: str | CausalGraph | Mechanisms,
    seed: int,
    mechanism: Mechanism | MechanismFactory | None,
    decoder: DecoderName | nn.Module | DecoderFactory,
    n_observed: int | None,
    actions: object,
    variance: float | None,
    density: float | None,
    graph_seed: int | None,
) -> _Process:
    generator = np.random.default_rng(seed)
    if not isinstance(source, str):
        if density is not None or graph_seed is not None:
            raise ConfigError("density and graph_seed are for random graphs; this graph is given")
        if isinstance(source, Mechanisms):
            return _densities(source, mechanism, decoder, n_observed, variance, generator)
        resolved = _mechanism(mechanism, None, source, actions, variance, generator)
        return _Process("", source, resolved, _decoder(decoder, source.n_latents, n_observed, generator))
    if source.endswith("Random") and graph_seed is None:
        graph_seed = seed
    process = published_processes.build(source, generator, density, graph_seed)
    is_as_published = variance is None and actions != "interventions"
    default = process.mechanism if is_as_published else None
    resolved = _mechanism(mechanism, default, process.graph, actions, variance, generator)
    if decoder == "mlp" and n_observed in (None, published_processes.N_OBSERVED):
        return _Process(source, process.graph, resolved, process.decoder)
    other_decoder = _decoder(decoder, process.graph.n_latents, n_observed, generator)
    return _Process(source, process.graph, resolved, other_decoder)


def _densities(
    source: Mechanisms,
    mechanism: Mechanism | MechanismFactory | None,
    decoder: DecoderName | nn.Module | DecoderFactory,
    n_observed: int | None,
    variance: float | None,
    generator: np.random.Generator,
) -> _Process:
    if mechanism is not None or variance is not None:
        raise ConfigError(
            "mechanism and variance are for names and graphs; the densities of mechanisms are given"
        )
    values = {
        action.name: np.array([float(value) for value in numbers])
        for action, numbers in source.action_values.items()
    }
    densities = DensityMechanism(source)
    built_decoder = _decoder(decoder, densities.graph.n_latents, n_observed, generator)
    return _Process("", densities.graph, densities, built_decoder, values)


def _mechanism(
    choice: Mechanism | MechanismFactory | None,
    default: Mechanism | None,
    graph: CausalGraph,
    actions: object,
    variance: float | None,
    generator: np.random.Generator,
) -> Mechanism:
    if isinstance(choice, Mechanism):
        if choice.graph != graph:
            raise ConfigError("the mechanism has another graph than the one given")
        return choice
    if choice is not None:
        return choice(graph, generator)
    if default is not None:
        return default
    if actions == "interventions" and graph.n_actions:
        return interventions(graph, generator, variance=1.0 if variance is None else variance)
    return sines(graph, 1e-4 if variance is None else variance, generator)


def _decoder(
    choice: DecoderName | nn.Module | DecoderFactory,
    n_latents: int,
    n_observed: int | None,
    generator: np.random.Generator,
) -> nn.Module:
    if isinstance(choice, nn.Module):
        return choice
    if callable(choice):
        return choice(n_latents, generator)
    width = 2 * n_latents if n_observed is None else n_observed
    if choice == "mlp":
        return LeakyMLP([n_latents, *[width] * _N_LAYERS], generator)
    if choice == "polynomial":
        return Polynomial(n_latents, width, generator)
    if choice == "balls":
        return Balls(n_latents)
    raise ConfigError(
        f"no decoder is called {choice!r}; give 'mlp', 'polynomial', 'balls', a module or a function"
    )


def _steps(graph: CausalGraph, n_steps: int | None) -> int:
    if n_steps is None:
        return 2 if graph.Gz.nnz else 1
    if graph.Gz.nnz and n_steps < 2:
        raise ConfigError(f"n_steps is {n_steps}; a graph with a past needs 2 or more")
    if not graph.Gz.nnz and n_steps != 1:
        raise ConfigError(f"n_steps is {n_steps}; a graph without a past has 1 step")
    return n_steps


def _sample_actions(
    process: _Process,
    choice: ActionChoice,
    n_samples: int,
    steps: int,
    generator: np.random.Generator,
) -> Array | None:
    m = process.graph.n_actions
    if not m:
        return None
    rows = n_samples * max(steps - 1, 1)
    actions = sample_actions(choice, rows, process.graph.actions, generator, process.action_values)
    return actions.reshape(n_samples, steps - 1, m) if steps > 2 else actions


def _roll_out(
    mechanism: Mechanism | DensityMechanism,
    n_samples: int,
    steps: int,
    actions: Array | None,
    generator: np.random.Generator,
) -> Float32:
    if steps == 1:
        if isinstance(mechanism, DensityMechanism):
            return mechanism.sample_step(n_samples, actions, generator)[:, None].astype(np.float32)
        if actions is None:
            # these latents have neither a past nor actions
            return generator.normal(size=(n_samples, 1, mechanism.graph.n_latents)).astype(np.float32)
        return mechanism.sample(None, actions, generator)[:, None].astype(np.float32)
    path = [generator.normal(size=(n_samples, mechanism.graph.n_latents))]
    for step in range(steps - 1):
        step_actions = actions[:, step] if actions is not None and actions.ndim == 3 else actions
        path.append(mechanism.sample(path[-1], step_actions, generator))
    return np.stack(path, axis=1).astype(np.float32)


def _standardise(decoder: nn.Module, clean: Float32) -> Standardised:
    mean, scale = clean.mean((0, 1)), clean.std((0, 1))
    if _returns_images(decoder):
        # a common scale, because pixels of the border hardly vary and would be amplified otherwise
        scale = np.full_like(scale, np.sqrt(np.mean(scale**2)))
    # a constant dimension keeps its scale
    return Standardised(decoder, mean, np.where(scale > 0, scale, 1).astype(np.float32))


def _calibration_size(process: _Process) -> int:
    if _returns_images(process.decoder):
        return _N_CALIBRATION_IMAGES
    return _N_CALIBRATION_DENSITIES if isinstance(process.mechanism, DensityMechanism) else _N_CALIBRATION


def _returns_images(decoder: nn.Module) -> bool:
    return getattr(decoder, "observation_shape", None) is not None


def _observe(
    decoder: Standardised,
    clean: Float32,
    latents: Float32,
    actions: Array | None,
    generator: np.random.Generator,
    noise: float,
    graph: CausalGraph,
    name: str,
) -> Dataset:
    observations = (clean - decoder.mean.numpy()) / decoder.scale.numpy()
    observations = (observations + noise * generator.normal(size=clean.shape)).astype(np.float32)
    shape = getattr(decoder.decoder, "observation_shape", None)
    return Dataset.from_arrays(
        observations,
        actions=None if actions is None else actions.astype(np.float32),
        latents=latents,
        graph=graph,
        decoder=decoder,
        observation_shape=shape,
        name=name,
    )


def _require_samples(n_samples: int, split: str) -> None:
    if split not in SPLITS:
        raise ConfigError(f"the split is {split!r}; it is one of {', '.join(SPLITS)}")
    if not 1 <= n_samples <= MOST_SAMPLES:
        raise ConfigError(f"n_samples is {quoted(n_samples)}; give 1 or more, at most {MOST_SAMPLES}")
