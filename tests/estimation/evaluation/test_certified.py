"""The learned entanglement beside what decided influence guarantees."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from estimation.evaluation import CertifiedEntanglement, Evaluation, certify
from estimation.exceptions import DataError
from estimation.learned import LearnedEntanglement
from estimation.report.terminal import show_certified
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.influence import Influence, InfluenceReport, Influences

GRAPH = CausalGraph(
    Ga=[[1, 0], [1, 1], [0, 1]], latents=["speed", "mass", "charge"], actions=["push", "load"]
)


def report_of(**statuses: str) -> InfluenceReport:
    answers = {name: Influence(name, status, None, "made up") for name, status in statuses.items()}  # type: ignore[arg-type]
    return InfluenceReport("nonparametric", Influences(answers), None)


def evaluation_of(*rows: list[float]) -> Evaluation:
    learned = LearnedEntanglement(np.array(rows), 0.1, "jacobian", GRAPH.latents, ("v0", "v1", "v2"))
    return Evaluation(None, GRAPH, GRAPH, learned=learned)


MIXED = evaluation_of([1, 0.5, 0], [0, 1, 0], [0, 0.5, 1])


def text_of(certified: CertifiedEntanglement) -> str:
    console = Console(width=300)
    with console.capture() as capture:
        console.print(show_certified(certified))
    return capture.get()


def test_with_influence_of_all_causes_the_guarantee_is_the_prediction() -> None:
    certified = certify(MIXED, report_of(push="holds", load="holds"))
    assert certified.comparison is not None
    assert certified.verdict.guaranteed == certified.verdict.complete
    np.testing.assert_array_equal(
        certified.comparison.allowed, certified.verdict.entanglement.matrix.toarray()
    )
    assert certified.comparison


def test_without_influence_of_a_cause_less_is_guaranteed() -> None:
    certified = certify(MIXED, report_of(push="holds", load="fails"))
    assert certified.comparison is not None
    # nothing but push separates: charge may mix with all, speed and mass with each other
    assert certified.comparison.allowed.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert certified.comparison
    record = certified.to_dict()
    assert record["verdict"]["guarantee"] is not None
    assert record["comparison"] == certified.comparison.to_dict()


def test_what_exceeds_the_guarantee_is_said() -> None:
    beyond = evaluation_of([1, 0, 0.5], [0, 1, 0], [0, 0, 1])
    assert not certify(beyond, report_of(push="holds", load="fails")).comparison


def test_without_true_latents_there_is_only_the_verdict() -> None:
    certified = certify(Evaluation(None, GRAPH, GRAPH), report_of(push="holds", load="holds"))
    assert certified.comparison is None
    assert certified.to_dict()["comparison"] is None


def test_what_certify_refuses() -> None:
    with pytest.raises(DataError, match="the data have no true graph"):
        certify(Evaluation(None, GRAPH), report_of(push="holds", load="holds"))
    with pytest.raises(RequestError, match="the influence report is about the actions push"):
        certify(MIXED, report_of(push="holds"))


def test_the_text_says_what_is_proved_and_whether_it_was_learned() -> None:
    text = text_of(certify(MIXED, report_of(push="holds", load="fails")))
    for part in (
        "For these mechanisms: ",
        "Sufficient influence is refuted for load.",
        "Guaranteed from push alone",
        "Learned entanglement against this guarantee: ",
        "sufficient influence of push",
        "proved",
    ):
        assert part in text
