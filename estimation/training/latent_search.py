"""The search for the number of latents, by short runs with all edges.

An estimate of the intrinsic dimension of the observations says where the search begins. The first run has more latents
than that; its ratios of signal to noise say how many of them are superfluous. Then numbers around this one are tried.
`estimation.latent_count` has the rule that compares them. If a smaller number may be right, longer runs are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import scipy.linalg
import scipy.spatial
import torch
from numpy.typing import NDArray

from estimation.config.baselines import BaselineConfig
from estimation.config.settings import Settings
from estimation.config.training import COUNT_LIKELIHOODS, TrainingConfig
from estimation.dataset.dataset import Dataset
from estimation.diagnostics import Diagnostics, RunWarning
from estimation.exceptions import ConfigError
from estimation.latent_count import (
    Candidate,
    LatentCount,
    best_by_number,
    is_as_good,
    smallest_sufficient,
)
from estimation.models.missing import known_entries
from estimation.models.sparse_vae import SparseVAE
from estimation.training.batches import Batches
from estimation.training.encodings import Encodings
from estimation.training.procedure import Initialisation, Procedure
from estimation.training.progress import progress_line
from estimation.training.starts import RACE_STEPS

__all__ = [
    "LONGER_STEPS",
    "MAX_TRIALS",
    "Run",
    "Trial",
    "fewer_latents",
    "find_latent_count",
    "intrinsic_dimension",
    "next_trial",
    "search",
    "search_config",
    "signal_to_noise",
    "with_latents",
    "with_superfluous",
    "without_superfluous",
]

# number of latents and of the random start -> a short run
Trial = Callable[[int, int], Candidate]
S = TypeVar("S", bound=Settings)

_N_STARTS = 3
#: Steps of the runs of a second search, which follows if a smaller number may be right. On two problems of the promise
#: benchmark with seed 97, runs of 500 steps found 16 and 21 latents where 10 and 12 are true, and runs of 1,500 these.
LONGER_STEPS = 1_500
#: Runs of a search after which it ends in any case.
MAX_TRIALS = 12
# nats per observed dimension: a run that is worse by more than this has too few latents, whatever its start
_MAX_BAD_START = 1.0
# the first run has more latents than the estimate, which is too low in high dimensions; with many it would be slow
_FIRST_FACTOR, _MAX_FIRST = 1.5, 20
_MEASURED_ROWS = 4_096
_NEIGHBOUR_ROWS = 3_000
_KEPT_SHARE = 0.9


class Run(Protocol):
    """The part of a short run that the search uses."""

    step: int
    procedure: Procedure

    def advance(self) -> object:
        """Take one step."""


def find_latent_count(
    config: TrainingConfig,
    initialisation: Initialisation,
    begin: Callable[[TrainingConfig, Initialisation], Run],
    progress: bool | None = None,
) -> LatentCount:
    """Find the number of latents by short runs, and by longer ones if a smaller number may be right.

    Args:
        config: Settings of the run, with ``n_latents="auto"``.
        initialisation: Data of the run.
        begin: Creates a run with some settings and data, before its first step.
        progress: Whether to show a progress bar on standard error; None shows it on a terminal only.

    Raises:
        ConfigError: If a network is user-supplied, or if settings contradict the data.
    """
    _require_no_networks(initialisation)
    if config.likelihood in COUNT_LIKELIHOODS:
        raise ConfigError(
            f"n_latents is 'auto', and likelihood is {config.likelihood!r}: the search is calibrated for real numbers "
            "only; set n_latents"
        )
    # settings that contradict the data are refused here rather than after the search
    begin(with_latents(config, None), initialisation)

    def trial(steps: int, n_latents: int, start: int) -> Candidate:
        settings = search_config(config, n_latents, steps)
        run = begin(settings, replace(initialisation, start=start))
        while run.step < settings.steps:
            run.advance()
        return _measured(run, initialisation.held_out, start)

    count = search(initialisation.dataset, config.seed, partial(trial, RACE_STEPS), progress)
    if not count.may_be_smaller or config.steps < LONGER_STEPS:
        return count
    longer = search(
        initialisation.dataset, config.seed, partial(trial, LONGER_STEPS), progress, "longer runs, "
    )
    return replace(longer, shorter=count.summary)


def fewer_latents(
    kept: Run, initialisation: Initialisation, trial: Callable[[int, int], Run]
) -> LatentCount | None:
    """Return the number of latents of a run without those that are superfluous; None if none is.

    Only numbers that a gap in the ratios of signal to noise suggests are tried, so a run without such a gap costs
    nothing. The run stays as it is.

    Args:
        kept: Run that won the race of starts, with the number of latents that the user gave.
        initialisation: Data of the run.
        trial: Creates a run, given the number of latents and that of the random start.
    """
    given = current = _measured(kept, initialisation.held_out, 0)
    n_observed, tried = initialisation.dataset.n_observed, [given]
    while (n := current.n_clear) < current.n_latents:
        for start in range(_N_STARTS):
            run = trial(n, start)
            while run.step < kept.step:
                run.advance()
            tried.append(_measured(run, initialisation.held_out, start))
            if is_as_good(tried[-1], given, n_observed):
                current = tried[-1]
                break
            if tried[-1].negative_elbo - given.negative_elbo > _MAX_BAD_START:
                break
        if current.n_latents != n:
            break
    if current is given:
        return None
    return LatentCount(current.n_latents, n_observed, None, tuple(tried), given.n_latents)


def without_superfluous(
    kept: Run,
    config: TrainingConfig | BaselineConfig,
    initialisation: Initialisation,
    begin: Callable[[TrainingConfig, Initialisation], Run],
) -> LatentCount | None:
    """Return the number of latents without superfluous ones, if the user gave a number and starts were compared.

    Args:
        kept: Run that won the race of starts.
        config: Settings of the run.
        initialisation: Data of the run.
        begin: Creates a run with some settings and data, before its first step.

    Returns:
        The number, or None if no latent is superfluous or nothing was compared.
    """
    supplied = initialisation.encoder is not None or initialisation.decoder is not None
    if not isinstance(config, TrainingConfig) or config.n_latents is None or supplied or not kept.step:
        return None
    if config.likelihood in COUNT_LIKELIHOODS:
        # the margin between numbers of latents is calibrated for real numbers
        return None

    def trial(n_latents: int, start: int) -> Run:
        return begin(config.replace(n_latents=n_latents), replace(initialisation, start=start))

    return fewer_latents(kept, initialisation, trial)


def with_superfluous(diagnostics: Diagnostics | None, count: LatentCount | None) -> Diagnostics | None:
    """Add the warning that some of the latents that the user gave are superfluous."""
    if diagnostics is None or count is None or count.given is None:
        return diagnostics
    warning = RunWarning("collapsed latents", count.superfluous)
    return replace(diagnostics, warnings=(*diagnostics.warnings, warning))


def with_latents(config: S, count: LatentCount | None) -> S:
    """Return settings with the number that was found; without one, settings with 1 in place of ``"auto"``."""
    if count is not None:
        return config.replace(n_latents=count.n_latents)
    return config.replace(n_latents=1) if getattr(config, "n_latents", None) == "auto" else config


def search_config(config: TrainingConfig, n_latents: int, steps: int = RACE_STEPS) -> TrainingConfig:
    """Return the settings of a short run of the search.

    They are those of the preset ``"fast"``, whatever the run itself has, with all edges.

    Args:
        config: Settings of the run.
        n_latents: Number of latents.
        steps: Number of steps, or as many as the run itself has if these are fewer.

    Example:
        >>> settings = search_config(TrainingConfig(preset="published", max_edges_past=9, seed=3), 5)
        >>> settings.n_latents, settings.steps, settings.optimizer, settings.seed
        (5, 500, 'soap', 3)
    """
    return TrainingConfig(
        n_latents=n_latents,
        sparsity="none",
        steps=min(steps, config.steps),
        validate_every=steps,
        seed=config.seed,
        threads=config.threads,
        device=config.device,
        dtype=config.dtype,
        predict=config.predict,
    )


def search(
    dataset: Dataset, seed: int, trial: Trial, progress: bool | None = None, label: str = ""
) -> LatentCount:
    """Try numbers of latents until the rule of `estimation.latent_count` has found one.

    Args:
        dataset: Training data.
        seed: Seed of the estimate with which the search begins.
        trial: Trains a short run, given the number of latents and that of the random start.
        progress: Whether to show a progress bar on standard error; None shows it on a terminal only.
        label: What the progress bar says before the number that is tried.

    Returns:
        The number, and the runs that were compared.
    """
    n_observed = dataset.n_observed
    dimension = intrinsic_dimension(dataset.observations[:, -1], seed)
    first = min(math.ceil(_FIRST_FACTOR * dimension) + 2, _MAX_FIRST, n_observed)
    tried: list[Candidate] = []
    number: tuple[int, int] | None = (first, 0)
    with progress_line(MAX_TRIALS, 0, progress) as advance:
        while number is not None and len(tried) < MAX_TRIALS:
            advance(len(tried), f"how many latents: {label}{number[0]}")
            tried.append(trial(*number))
            number = next_trial(tried, n_observed)
    return LatentCount.of(tried, n_observed, dimension)


def next_trial(tried: Sequence[Candidate], n_observed: int) -> tuple[int, int] | None:
    """Return the number of latents and the start to try next, or None if the search is finished.

    Args:
        tried: The runs so far, one or more.
        n_observed: Number of observed dimensions, the largest number of latents.
    """
    best, chosen = best_by_number(tried), smallest_sufficient(tried, n_observed)
    n_clear = best[chosen].n_clear
    if n_clear not in best:
        return n_clear, 0
    if chosen == max(best) and chosen < n_observed:
        return min(max(math.ceil(1.5 * chosen), chosen + 1), n_observed), 0
    below = max((n for n in best if n < chosen), default=0)
    sufficient = best[chosen].negative_elbo
    if n_clear < chosen:
        # the gap says that this number is right, so that only bad starts can have been the reason
        again = _another_start(tried, n_clear, -math.inf) or _another_start(tried, below, sufficient)
        if again is not None:
            return again
    if chosen - below > 1:
        # numbers between are more likely to be right near the one that is known to be sufficient
        return (chosen - 1 if n_clear == chosen else (chosen + below) // 2), 0
    if below and best[below].negative_elbo - sufficient <= _MAX_BAD_START / 2:
        return _another_start(tried, below, sufficient)
    return None


def _another_start(tried: Sequence[Candidate], n: int, sufficient: float) -> tuple[int, int] | None:
    """Return the next start of a number that was found too small, unless its starts can't have been the reason.

    Args:
        tried: The runs so far.
        n: The number.
        sufficient: Negative ELBO of a number that is sufficient; minus infinity to try the start in any case.
    """
    starts = [each for each in tried if each.n_latents == n]
    if not starts or len(starts) >= _N_STARTS:
        return None
    worse = min(each.negative_elbo for each in starts) - sufficient
    if math.isfinite(sufficient) and worse > _MAX_BAD_START:
        return None
    return n, len(starts)


def _require_no_networks(initialisation: Initialisation) -> None:
    for name in ("encoder", "decoder"):
        if getattr(initialisation, name) is not None:
            raise ConfigError(
                f"n_latents is 'auto', and the {name} is user-supplied, with a fixed number of latents; set n_latents "
                "to that number"
            )


def _measured(run: Run, held_out: Dataset, start: int) -> Candidate:
    """Return what the search compares, of a short run, which stays as it is."""
    model, batches = run.procedure.model, run.procedure.batches
    assert isinstance(model, SparseVAE)
    was_training = model.training
    model.eval()
    rows = Batches(held_out, batches.size, start, batches.device, batches.dtype, model=model)
    encodings = Encodings.of(model, rows, run.step, _MEASURED_ROWS, with_inputs=True)
    with torch.no_grad():
        squared = model.reconstruction_errors(
            encodings.latents.flatten(0, 1), encodings.inputs.flatten(0, 1)
        ).square()
        known = known_entries(squared)
        error = float((squared if known is None else squared[known]).mean())
    model.train(was_training)
    ratios = tuple(float(ratio) for ratio in signal_to_noise(encodings))
    return Candidate(model.shape.n_latents, start, run.procedure.held_out_loss(), error, ratios)


def signal_to_noise(encodings: Encodings) -> NDArray[np.float64]:
    """Return eigenvalues of the covariance of the means relative to the mean posterior covariance, largest first."""
    means = encodings.latents.flatten(0, 1).double().cpu().numpy()
    covariance = np.atleast_2d(np.cov(means.T))
    values = scipy.linalg.eigh(covariance, encodings.noise(), eigvals_only=True)
    return np.asarray(np.maximum(values[::-1], 0.0))


def intrinsic_dimension(observations: NDArray[np.floating], seed: int) -> float:
    """Estimate the intrinsic dimension of observations from the distances to the two nearest neighbours.

    The ratio r of the two distances has P(r > t) = t^(-d) where the density is locally constant; d is fitted to the
    smallest 90 % of the ratios (Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information", Scientific Reports 7, 2017). The estimate is too low in high dimensions, so it only starts the search.

    Args:
        observations: Shape (N, d_x).
        seed: Seed of the choice of at most 3,000 rows.

    Returns:
        The estimate, between 1 and d_x.

    Example:
        >>> plane = np.random.default_rng(0).normal(size=(2000, 2)) @ np.array([[1.0, 0, 2], [0, 1, 1]])
        >>> round(intrinsic_dimension(plane, 0))
        2
    """
    rows = np.random.default_rng(seed).permutation(len(observations))[:_NEIGHBOUR_ROWS]
    chosen = np.asarray(observations[np.sort(rows)], dtype=np.float64)
    # in rows with missing entries, the column's mean is nearest to what it could be
    chosen = np.where(np.isnan(chosen), np.nanmean(chosen, axis=0), chosen)
    values = np.unique(chosen, axis=0)
    values = (values - values.mean(0)) / np.where((scale := values.std(0)) > 0, scale, 1)
    n_observed = values.shape[1]
    if len(values) < 3:
        return 1.0
    distances = np.asarray(scipy.spatial.cKDTree(values).query(values, k=3)[0])
    apart = distances[:, 1] > 0
    log_ratios = np.sort(np.log(distances[apart, 2] / distances[apart, 1]))
    kept = log_ratios[: max(int(_KEPT_SHARE * len(log_ratios)), 1)]
    if not kept.any():
        return float(n_observed)
    log_tail = -np.log1p(-np.arange(1, len(kept) + 1) / (len(log_ratios) + 1))
    return float(np.clip(kept @ log_tail / (kept @ kept), 1.0, n_observed))
