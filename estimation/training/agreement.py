"""Whether restarts end in the same latents, in words: notes for the history, and a warning if they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.result import Diagnostics, RunWarning
from estimation.metrics import multiple_correlation
from estimation.trained import TrainedModel
from identify.entanglement import predict_entanglement
from identify.wording import listed, plural

__all__ = ["MAX_DIFFERENCE", "agreement", "agreement_notes", "with_agreement"]

# latents with a smaller correlation, within what the graph leaves open, are other latents
_MIN_CORRELATION = 0.95
#: Nats per observed dimension, the margin of random starts: a run that is worse by more has curved or imprecise
#: latents, so its disagreement says nothing against the better one.
MAX_DIFFERENCE = 0.1
_N_SHOWN = 3


def agreement(
    model: TrainedModel, latents: NDArray[np.floating], other: NDArray[np.floating]
) -> dict[str, float]:
    """Return the correlation of each active latent of a model with its match in another one, by name.

    It is the multiple correlation with the matches of all latents that the learned graph allows it to mix with, so
    that latents which differ only in what the graph leaves open agree.

    Args:
        model: The model.
        latents: Its encodings, shape (N, n).
        other: Encodings of the same rows by the other model, shape (N, n).

    Returns:
        Correlations between 0 and 1 by name, without collapsed latents.
    """
    graph = model.graph
    collapsed = {
        name for warning in model.warnings if warning.kind == "collapsed latents" for name in warning.latents
    }
    correlations = multiple_correlation(latents, other, allowed=predict_entanglement(graph)).per_latent
    return {
        name: float(correlation)
        for name, correlation in zip(graph.latents, correlations, strict=True)
        if name not in collapsed
    }


def _differing(correlations: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in correlations.items() if value < _MIN_CORRELATION}


def agreement_notes(
    best: int, correlations: dict[int, dict[str, float]], losses: Sequence[float]
) -> list[str]:
    """Return a note for each restart that the best one was compared with.

    Args:
        best: Number of the best restart.
        correlations: Agreement with each of the others, by their number.
        losses: Held-out negative ELBOs of all restarts.
    """
    notes = []
    for number, values in correlations.items():
        which = "other latents than" if _differing(values) else "the same latents as"
        note = f"restart {number + 1} ends in {which} restart {best + 1}: the smallest correlation is "
        note += f"{min(values.values(), default=1.0):.3f}"
        difference = losses[number] - losses[best]
        if abs(difference) > MAX_DIFFERENCE:
            comparative = "worse" if difference > 0 else "better"
            note += f", and it fits {comparative} by {abs(difference):.3g} nats per observed dimension"
        notes.append(note)
    return notes


def with_agreement(
    diagnostics: Diagnostics | None,
    best: int,
    correlations: dict[int, dict[str, float]],
    better: dict[int, float],
) -> Diagnostics | None:
    """Return the diagnostics of the best restart, with a warning if another one has other latents.

    Args:
        diagnostics: Diagnostics of the best restart.
        best: Its number.
        correlations: Agreement with each of the restarts that can contradict it, by their number.
        better: How much better those of them fit that fit clearly better.
    """
    if diagnostics is None or not correlations:
        return diagnostics
    smallest = min((value for values in correlations.values() for value in values.values()), default=1.0)
    values = {**diagnostics.values, "smallest correlation with another restart": smallest}
    differing = {number: _differing(each) for number, each in correlations.items()}
    differing = {number: each for number, each in differing.items() if each}
    if not differing:
        return replace(diagnostics, values=values)
    shown = {
        number: f"restart {number + 1} in {listed(f'{name} ({value:.2f})' for name, value in each.items())}"
        for number, each in differing.items()
    }
    alike = [text for number, text in shown.items() if number not in better]
    parts = [f"restart {best + 1} is kept"]
    if alike:
        parts.append(
            f"{plural(len(alike), 'other restart')} without serious warnings "
            f"{'fits' if len(alike) == 1 else 'fit'} about as well with other latents: {listed(alike, _N_SHOWN)}"
        )
    parts += [
        f"a likelier one, by {difference:.2g} nats per observed dimension, has other latents: {shown[number]}"
        for number, difference in better.items()
        if number in shown
    ]
    latents = tuple(dict.fromkeys(name for each in differing.values() for name in each))
    warning = RunWarning("disagreeing restarts", ", and ".join(parts), latents)
    return replace(diagnostics, warnings=(warning, *diagnostics.warnings), values=values)
