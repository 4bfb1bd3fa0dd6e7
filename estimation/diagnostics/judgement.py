"""`judge`: from the evidence about a run to its margin, its warnings, and the confidence in its edges and latents.

`doubtful_edges` says before which pairs of a cause and a latent are worth a refit.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from estimation.diagnostics.basis import margin_of
from estimation.diagnostics.confidence import edge_confidence
from estimation.diagnostics.edges import EffectSize, effect_table, weak_influence
from estimation.diagnostics.evidence import Evidence
from estimation.diagnostics.fit import residual_correlation, residual_shapes, structured_share
from estimation.diagnostics.latent_confidence import latent_confidence
from estimation.diagnostics.latents import (
    collapsed_latents,
    duplicate_latents,
    latents_with_unsupported_edges,
    latents_without_parents,
)
from estimation.diagnostics.overlap import Overlap, overlap_of
from estimation.diagnostics.result import Diagnostics, Margin, RunWarning
from estimation.unmixing.moments import CLEAR_EFFECT, NEGLIGIBLE_EFFECT
from identify.wording import listed, plural

__all__ = ["MIN_GAP", "MIN_RATIO", "doubtful_edges", "judge"]

_MIN_INFLUENCE = 0.1
# then the errors are more than twenty times as large as noise alone would make them
_MAX_STRUCTURED_SHARE = 0.95
_MAX_CORRELATION = 0.8
_MAX_SKEWNESS, _MAX_KURTOSIS = 1.0, 3.0
#: An effect without an edge that is larger than that of an edge by this factor says that one of the two is a mistake.
#: The last ranking of edges (`estimation.training.final_edges`) lets an effect of the same kind take the place of
#: another from the same factor on.
MIN_RATIO = 1.2
#: If training counts the edges, it does so by a gap between the effects of edges and others; one that is narrower than
#: this factor is none.
MIN_GAP = 1.5
_N_SHOWN = 3


def judge(evidence: Evidence) -> Diagnostics:
    """Return margin and warnings of a run, and the confidence in its edges and latents.

    Args:
        evidence: What was measured on held-out rows.
    """
    margin = margin_of(evidence)
    effects = effect_table(evidence)
    influence, overlap = weak_influence(evidence), overlap_of(evidence)
    share = structured_share(evidence)
    correlation, correlated = residual_correlation(evidence)
    shapes = residual_shapes(evidence)
    without = [effect.size for effect in effects if not (effect.has_edge or effect.is_refuted)]
    on_edges = [effect.size for effect in effects if effect.has_edge]
    values = {
        "largest effect without an edge": max(without, default=0.0),
        "smallest effect of an edge": min(on_edges, default=0.0),
        "smallest influence": min(influence.values(), default=1.0),
        "groups of settings": 1.0 if overlap is None else float(overlap.n_groups),
        "structured share of reconstruction errors": share,
        "largest correlation of residuals": correlation,
        "largest skewness of residuals": max((abs(shape.skewness) for shape in shapes), default=0.0),
        "largest excess kurtosis of residuals": max((shape.kurtosis for shape in shapes), default=0.0),
    }
    warnings = [
        *_about_basis(margin),
        *_about_missing_edges(effects, _ratio(evidence)),
        *_about_no_edges(evidence),
        *_about_overlap(overlap),
        *_about_superfluous_edges(effects),
        *_about_budget(effects),
        *_about_influence(influence),
        *_about_latents(evidence),
    ]
    if share > _MAX_STRUCTURED_SHARE:
        text = f"far above the noise: {share:.0%} of the squared errors depend on the latents"
        warnings.append(RunWarning("reconstruction", text))
    if correlation > _MAX_CORRELATION:
        text = f"those of {listed(correlated)} are correlated ({correlation:.2f}), so these are mixed or share a cause"
        warnings.append(RunWarning("residuals", text, correlated))
    unlike = [s for s in shapes if abs(s.skewness) > _MAX_SKEWNESS or s.kurtosis > _MAX_KURTOSIS]
    if unlike:
        shown = "; ".join(
            f"{s.latent}: skewness {s.skewness:.2g}, excess kurtosis {s.kurtosis:.2g}"
            for s in unlike[:_N_SHOWN]
        )
        names = tuple(shape.latent for shape in unlike)
        warnings.append(RunWarning("residuals", f"not like the noise of the model; {shown}", names))
    edges, latents = edge_confidence(evidence, margin), latent_confidence(evidence, margin)
    return Diagnostics(margin, tuple(warnings), values, edges, latents)


def _about_basis(margin: Margin | None) -> Iterable[RunWarning]:
    if margin is not None and margin.verdict != "clear":
        yield RunWarning("basis", margin.summary, margin.latents)


def doubtful_edges(evidence: Evidence) -> dict[str, NDArray[np.bool_]]:
    """Return the effects without an edge that are not clearly smaller than that of an edge, if training counts edges.

    An edge of the learned graph with an effect of the same size doesn't say that such an effect needs one; fitting the
    transition again with it does.

    Args:
        evidence: What was measured on held-out rows.

    Returns:
        Pairs by ``"actions"``, shape (n, m), and ``"past"``, shape (n, n); empty if there are none.
    """
    effects = effect_table(evidence)
    doubtful, _ = _larger(effects, _ratio(evidence))
    # a large effect is a doubt whatever a refit says
    if not evidence.counts_edges or not doubtful or _without_edge(effects, CLEAR_EFFECT):
        return {}
    pairs = {"actions": np.zeros_like(evidence.action_edges), "past": np.zeros_like(evidence.past_edges)}
    for effect in doubtful:
        pairs[effect.kind][effect.position] = True
    return pairs


def _ratio(evidence: Evidence) -> float:
    """Return the ratio from which an effect without an edge, relative to that of an edge, is a doubt."""
    return 1 / MIN_GAP if evidence.counts_edges else MIN_RATIO


def _without_edge(effects: list[EffectSize], limit: float) -> list[EffectSize]:
    """Return the effects without an edge that are larger than a limit."""
    return [effect for effect in effects if not effect.has_edge and effect.size > limit]


def _larger(effects: list[EffectSize], ratio: float) -> tuple[list[EffectSize], EffectSize | None]:
    """Return the effects without an edge that exceed that of the weakest edge times a ratio, and this edge."""
    weakest = next((effect for effect in effects[::-1] if effect.has_edge and not effect.removed), None)
    if weakest is None or weakest.size < NEGLIGIBLE_EFFECT:
        # with a budget that is too large, the order of the weakest effects says nothing
        return [], weakest
    limit = ratio * weakest.size
    return [each for each in _without_edge(effects, limit) if not each.is_refuted], weakest


def _about_missing_edges(effects: list[EffectSize], ratio: float) -> Iterable[RunWarning]:
    """Yield a warning if effects without an edge are large, or larger than that of an edge times a ratio."""
    if missing := _without_edge(effects, CLEAR_EFFECT):
        text = f"{plural(len(missing), 'effect')} without an edge, relative to those of parents: {_shown(missing)}"
        yield RunWarning("missing edges", text, _latents(missing))
        return
    larger, weakest = _larger(effects, ratio)
    if larger and weakest is not None:
        than = f"{'larger than' if ratio > 1 else 'not clearly smaller than'} that of the edge of {_shown([weakest])}"
        text = f"{plural(len(larger), 'effect')} without an edge, {than}: {_shown(larger)}"
        yield RunWarning("missing edges", text, _latents([*larger, weakest]))


def _about_no_edges(evidence: Evidence) -> Iterable[RunWarning]:
    """Yield a warning if training counted the edges and found none: no effect is relative to that of a parent then."""
    edges = (evidence.action_edges, evidence.past_edges)
    active = tuple(np.array(evidence.names, dtype=object)[~evidence.collapsed])
    is_empty = any(each.size for each in edges) and not any(each.any() for each in edges)
    if active and evidence.counts_edges and is_empty:
        yield RunWarning(
            "missing edges", "the learned graph has no edges, so nothing identifies the latents", active
        )


def _about_superfluous_edges(effects: list[EffectSize]) -> Iterable[RunWarning]:
    edges = [effect for effect in effects[::-1] if effect.has_edge and not effect.removed]
    superfluous = [effect for effect in edges if effect.size < NEGLIGIBLE_EFFECT]
    if superfluous:
        text = f"{plural(len(superfluous), 'edge')} with hardly any effect: {_shown(superfluous)}"
        yield RunWarning("superfluous edges", text, _latents(superfluous))


def _about_budget(effects: list[EffectSize]) -> Iterable[RunWarning]:
    removed = [effect for effect in effects if effect.removed and effect.size > CLEAR_EFFECT]
    if removed:
        text = f"too small: {plural(len(removed), 'edge')} removed after training had clear effects: {_shown(removed)}"
        yield RunWarning("budget", text, _latents(removed))


def _about_influence(influence: dict[str, float]) -> Iterable[RunWarning]:
    weak = sorted((value, name) for name, value in influence.items() if value < _MIN_INFLUENCE)
    if weak:
        shown = ", ".join(f"{name} ({value:.2g})" for value, name in weak[:_N_SHOWN])
        yield RunWarning("influence", f"effects on the children are nearly proportional: {shown}")


def _about_overlap(overlap: Overlap | None) -> Iterable[RunWarning]:
    if overlap is not None and overlap.is_lacking:
        text = (
            f"the {overlap.n_settings} settings of the actions form {overlap.n_groups} groups without data between "
            "them, so that latents can be distorted from group to group"
        )
        yield RunWarning("overlap", text)


def _about_latents(evidence: Evidence) -> Iterable[RunWarning]:
    if collapsed := collapsed_latents(evidence):
        verb = "varies" if len(collapsed) == 1 else "vary"
        yield RunWarning(
            "collapsed latents", f"{listed(collapsed)} {verb} by less than the posterior", collapsed
        )
    if unsupported := latents_with_unsupported_edges(evidence):
        text = (
            f"edges lead to {listed(unsupported)}, though every effect on a collapsed latent counts as absent"
        )
        yield RunWarning("edges of collapsed latents", text, unsupported)
    if unmoved := latents_without_parents(evidence):
        text = (
            f"no cause moves {listed(unmoved)} in the learned graph, so nothing identifies "
            f"{'it' if len(unmoved) == 1 else 'them'}"
        )
        yield RunWarning("no parents", text, unmoved)
    for first, second, correlation in duplicate_latents(evidence):
        text = f"{first} and {second} are nearly the same (correlation {correlation:.2f})"
        yield RunWarning("duplicate latents", text, (first, second))


def _shown(effects: list[EffectSize]) -> str:
    shown = ", ".join(f"{effect.cause} on {effect.latent} {effect.size:.2g}" for effect in effects[:_N_SHOWN])
    n_left = len(effects) - _N_SHOWN
    return f"{shown}, and {n_left} more" if n_left > 0 else shown


def _latents(effects: list[EffectSize]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(effect.latent for effect in effects))
