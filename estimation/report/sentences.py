"""Explanatory sentences of the reports, shared by the terminal and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identify.report.sentences import guarantee_sentences, influence_sentence

if TYPE_CHECKING:
    from estimation.evaluation.certified import CertifiedEntanglement

__all__ = [
    "ADVICE",
    "ALL_EDGES_CERTAIN",
    "BETWEEN_MODELS",
    "CAUTION",
    "COMBINATIONS",
    "CONDITIONS",
    "CONFIDENCE",
    "COVERAGE",
    "EDGES_OF_RUNS",
    "ENTANGLEMENT",
    "INFLUENCE",
    "LATENTS_OF_RUNS",
    "LATENT_CONFIDENCE",
    "NO_GRAPH",
    "PREDICTED",
    "PROGRAMMES",
    "SCORES",
    "TRUST",
    "UNKNOWN",
    "WITHOUT_DATA",
    "certified_sentences",
]

SCORES = (
    "MCC: mean absolute correlation between each true latent and the learned latent matched to it. R: multiple "
    "correlation of each true latent with all learned latents. R_con: multiple correlation with only those learned "
    "latents that the prediction allows. R_con close to R indicates consistency; MCC close to R indicates complete "
    "disentanglement. SHD: number of missing and extra edges in the learned graph. Held out: fitted on one half of the "
    "rows and scored on the other half."
)
ENTANGLEMENT = (
    "A latent mixes with another if it depends on the learned latent matched to that other one. The prediction states "
    "which latents may mix in the worst case. Less mixing is better than guaranteed; more mixing contradicts the "
    "prediction, its assumptions, or the training."
)
BETWEEN_MODELS = (
    "The ground truth is unknown here. If both models have learned it, each latent of the first model is a function of "
    "only those latents of the second that the first model's own graph allows. Agreement is evidence, not proof: two "
    "models can be wrong in the same way."
)
INFLUENCE = (
    "Influence is sufficient if every action moves its latents in enough different ways; for actions that move them in "
    "proportion, the theory promises nothing. The p-value is that of the hypothesis that influence fails, so that a "
    "small one is evidence for influence. The margin is the effect on the direction of the latents that is moved "
    "least, in units of its noise: the smaller it is, the more data a model needs to tell these latents apart. "
    "All of this concerns the learned graph: where influence fails in the truth, a sparser graph in which it holds may "
    "have been learned."
)
TRUST = (
    "The run with the best held-out ELBO is compared with every other run. If both runs have learned the ground truth, "
    "each latent depends on only those latents of the other run that the learned graph allows it to mix with. The "
    "latents that all runs confirm satisfy what the theory guarantees; a contradiction means that one of the two runs "
    "is wrong about this latent. Agreement is evidence, not proof."
)
UNKNOWN = (
    "The data contain no true latents, so no scores can be computed. 'mechsparse verify' compares several models with "
    "each other instead."
)
NO_GRAPH = "{method} is a baseline: it learns no graph, so the theory makes no prediction about its latents."
CAUTION = (
    "The edges are the strongest ones within the budget and are not tested individually; other budgets give other "
    "graphs."
)
CONFIDENCE = (
    "The confidence in an edge is the probability that the true graph has it, estimated from this run alone: from the "
    "size of the effect on held-out rows, how much it varies if the training rows are resampled, and how clear the "
    "basis of the latents is. It was calibrated on simulated problems."
)
ALL_EDGES_CERTAIN = (
    "The data leave a doubt of less than 5 % about each edge, and about each pair without one."
)


LATENT_CONFIDENCE = (
    "The confidence in a latent is the probability that it depends on no other true latents than the learned graph "
    "lets it mix with. It is estimated from effects that the graph leaves out and from how clear the basis is, and was "
    "calibrated on simulated problems. 'mechsparse verify' combines it with that of other runs."
)
LATENTS_OF_RUNS = (
    "The confidence in a latent is the probability that it depends on no other true latents than the graph of the best "
    "run allows. It is that run's own confidence, raised by runs that agree about the latent and lowered by those that "
    "contradict. Runs on the same data can share a mistake, so that several runs that agree count as one."
)
EDGES_OF_RUNS = (
    "The confidence in an edge is the mean over the best run and the runs that agree about the latents concerned. It "
    "then changes with the confidence in these latents: in a wrong latent an edge is as likely as on average."
)
PROGRAMMES = (
    "A latent is a programme: a hidden variable that some actions move, and that moves the observed columns. Left: the "
    "causes of each latent in the learned graph. Right: the columns that change most when the latent rises by one "
    "standard deviation and the other latents stay."
)
PREDICTED = (
    "If training found a graph as sparse as the true one, and influence is sufficient, each learned latent is one true "
    "latent, possibly mixed with those that this table names. The confidence says how far this run's data support it."
)
CONDITIONS = (
    "Mean and range of each latent in {source}, in standard deviations from its overall mean. A dot is a mean, an open "
    "dot is the mean without actions, and a line goes from the 5 % to the 95 % quantile."
)
COMBINATIONS = (
    "What the model predicts for single actions and for pairs, compared with: {control}. An action without a number is "
    "on; a continuous one is halfway to the end of its range."
)
COVERAGE = (
    "Covered: the training data have every latent's causes at these joint values. Interpolated: they lie between "
    "values that were seen. Effects added: a latent's causes were never seen together, and the effects of each alone "
    "are added. Extrapolated: the network goes beyond what was seen; don't rely on it. Not checked: too many "
    "combinations to store."
)
WITHOUT_DATA = "They need data with the columns of the training data: mechsparse report MODEL DATA."
#: What to do about each kind of warning; docs/reading_a_run.md has the details.
ADVICE = {
    "basis": "Train another seed, more rows or more steps, and compare the runs with 'mechsparse verify'.",
    "missing edges": "Allow more edges, or train another seed.",
    "overlap": "Trust directions more than sizes; intermediate doses or combinations of actions would help.",
    "edges of collapsed latents": "Don't rely on these edges; use fewer latents, or train more steps.",
    "disagreeing restarts": "One of the runs is wrong about a latent; compare more seeds with 'mechsparse verify'.",
    "superfluous edges": "Allow fewer edges.",
    "budget": "Allow more edges; the latents need not be wrong.",
    "influence": "Test it with 'mechsparse influence', and use more values of these actions.",
    "collapsed latents": "Use fewer latents.",
    "no parents": "Nothing identifies it; if it follows the size of a row or a batch, give that as a covariate.",
    "duplicate latents": "Use fewer latents, or train another seed.",
    "reconstruction": "Train more steps, or larger networks.",
    "residuals": "Latents may be mixed or share an unobserved cause; noise='auto' fits noise of other shapes.",
}


def certified_sentences(certified: CertifiedEntanglement) -> list[str]:
    """Return what is proved for the mechanisms, and how the learned entanglement compares with it, in sentences."""
    verdict = certified.verdict
    sentences = [f"For these mechanisms: {verdict.headline}", influence_sentence(verdict)]
    sentences += guarantee_sentences(verdict)
    if certified.comparison is not None:
        sentences.append(f"Learned entanglement against this guarantee: {certified.comparison.verdict}")
    return sentences
