"""``mechsparse evaluate``, ``compare`` and ``verify``: the same results as text, JSON and pages."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from estimation.checkpoint import load
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.evaluation.comparison import compare as hold_against
from estimation.evaluation.verification import verify
from estimation.learned import learned_entanglement
from identify.entanglement import predict_entanglement
from identify.graph import CausalGraph
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of, write_table

# evaluate -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working_directory")
def test_evaluate_as_json_is_the_evaluation(capsys: Captured) -> None:
    record = json_of(capsys, "evaluate", "a", "test.npz", "--threshold", 0.3)
    model = load("a")
    assert (record.pop("model"), record.pop("data")) == ("a", "identical-twins")
    assert record.pop("graph")["edges"] == [list(edge) for edge in model.graph.edges()]
    assert record.pop("notes") == []
    assert record.pop("diagnostics") is None
    assert record == evaluate(model, Dataset.read("test.npz"), threshold=0.3).to_dict()


@pytest.mark.usefixtures("working_directory")
def test_training_data_are_recognised(capsys: Captured) -> None:
    (note,) = json_of(capsys, "evaluate", "a", "train.npz")["notes"]
    assert note.startswith("these are the data that the model was trained on")
    assert "note: these are the data that the model was trained on" in output_of(
        capsys, "evaluate", "a", "train.npz"
    )


@pytest.mark.usefixtures("working_directory")
def test_evaluate_as_text_shows_predicted_and_learned_entanglement(capsys: Captured) -> None:
    out = output_of(capsys, "evaluate", "a", "test.npz")
    outcome = evaluate(load("a"), Dataset.read("test.npz"))
    assert outcome.comparison is not None
    assert outcome.comparison.verdict.split(":")[0] in out
    assert f"{outcome.mcc:.3f}" in out
    for part in ("may mix with", "mixes with", "R_con", "SHD", "left", "right"):
        assert part in out


@pytest.mark.usefixtures("working_directory")
def test_strict_exits_with_one_when_the_prediction_is_contradicted(capsys: Captured) -> None:
    # every entry counts with a threshold of 0
    output_of(capsys, "evaluate", "a", "test.npz", "--threshold", 0, code=0)
    output_of(capsys, "evaluate", "a", "test.npz", "--threshold", 0, "--strict", code=1)
    # whether a learned graph lets all latents mix, with which nothing is at odds, depends on the seed
    words = ("compare", "a", "b", "test.npz", "--threshold", 0)
    confirmed = json_of(capsys, *words, code=0)["confirmed"]
    output_of(capsys, *words, "--strict", code=int(not confirmed))


@pytest.mark.usefixtures("working_directory")
def test_strict_exits_with_zero_otherwise(capsys: Captured) -> None:
    # a model is itself, latent by latent, up to rounding
    output_of(capsys, "compare", "a", "a", "test.npz", "--threshold", 0.9, "--strict", code=0)
    # where every latent may mix with every other, none contradicts
    data = Dataset.read("test.npz")
    assert data.graph is not None
    alike = CausalGraph(
        Ga=np.ones(data.graph.Ga.shape), latents=data.graph.latents, actions=data.graph.actions
    )
    dataclasses.replace(data, graph=alike).write("alike.npz")
    output_of(capsys, "evaluate", "a", "alike.npz", "--threshold", 0, "--strict", code=0)


@pytest.mark.usefixtures("working_directory")
def test_evaluate_without_ground_truth(capsys: Captured) -> None:
    columns = ["--observations", "gene*", "--actions", "dose", "--categorical", "drug"]
    write_table("cells.csv")
    output_of(capsys, "train", "cells.csv", "-o", "model", *columns, *TINY, "--set", "n_latents=2")
    # fewer categories than in training get the same columns, an unknown one is refused
    write_table("fewer.csv", ("A", "none"))
    write_table("other.csv", ("A", "C"))
    out = output_of(capsys, "evaluate", "model", "fewer.csv", *columns, "--allow-constant")
    assert "The data contain no true latents" in out
    record = json_of(capsys, "evaluate", "model", "fewer.csv", *columns, "--allow-constant")
    assert (record["mcc"], record["comparison"]) == (None, None)
    assert "'C'; the categories are A, B, none" in error_of(
        capsys, "evaluate", "model", "other.csv", *columns
    )
    error = error_of(capsys, "evaluate", "model", "cells.csv", *columns, "--strict")
    assert "cells.csv: lacks true latents or the true graph, which --strict needs; leave it out" in error


# compare --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working_directory")
def test_compare_two_models(capsys: Captured) -> None:
    record = json_of(capsys, "compare", "a", "b", "test.npz", "--threshold", 0.2)
    assert (record["model"], record["other"], record["data"]) == ("a", "b", "identical-twins")
    ours, theirs = load("a"), load("b")
    learned = learned_entanglement(ours, Dataset.read("test.npz"), other=theirs, threshold=0.2)
    expected = hold_against(predict_entanglement(ours.graph), learned).to_dict()
    assert {name: record[name] for name in expected} == expected
    assert record["learned"]["method"] == "models"
    edges = record["edges"]
    assert edges["common"] + edges["only_model"] == edges["common"] + edges["only_other"] == 3
    out = output_of(capsys, "compare", "a", "b", "test.npz", "--threshold", 0.2)
    assert record["verdict"].split(":")[0] in out
    for part in ("a compared with b", "edges in both graphs", "edges only in a", "v0", "w0"):
        assert part in out


@pytest.mark.usefixtures("working_directory")
def test_verify_compares_several_models_with_the_best(capsys: Captured) -> None:
    record = json_of(capsys, "verify", "a", "b", "--data", "test.npz", "--threshold", 0.2)
    expected = verify({"a": load("a"), "b": load("b")}, Dataset.read("test.npz"), 0.2).to_dict()
    assert record == json.loads(json.dumps(expected))
    out = output_of(capsys, "verify", "a", "b", "--data", "test.npz", "--threshold", 0.2)
    for part in (record["summary"].split()[0], f"{record['reference']} (the best run)", "confirmed by", "v0"):
        assert part in out
    for threshold in (0, 0.2, 0.9999):
        words = ("verify", "a", "b", "--data", "test.npz", "--threshold", threshold)
        confirmed = json_of(capsys, *words)["confirmed"]
        output_of(capsys, *words, "--strict", code=int(not confirmed))


@pytest.mark.usefixtures("working_directory")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "--data", "test.npz"), "verify takes two runs or more; 1 given"),
        (("a", "a", "--data", "test.npz"), "a is given twice; a run can't confirm itself"),
        (("a", "nowhere", "--data", "test.npz"), "nowhere"),
    ],
)
def test_invalid_arguments_of_verify(words: tuple[str, ...], message: str, capsys: Captured) -> None:
    assert message in error_of(capsys, "verify", *words)


# reports --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("working_directory")
@pytest.mark.parametrize(
    ("words", "headings"),
    [
        (
            ("train", "train.npz", "-o", "model", *TINY),
            ("Trained on identical-twins", "Predicted and learned", "Training"),
        ),
        (
            ("evaluate", "a", "test.npz"),
            ("Evaluation of a trained model", "True and learned latents", "Training"),
        ),
        (("compare", "a", "b", "test.npz"), ("Two trained models compared", "a compared with b")),
        (
            ("verify", "a", "b", "--data", "test.npz"),
            ("Verification of several runs", "Which latents can be trusted?", "between the runs"),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_reports(words: tuple[str, ...], headings: tuple[str, ...], capsys: Captured) -> None:
    output_of(capsys, *words, "--report", "report.html")
    page = Path("report.html").read_text(encoding="utf-8")
    assert [heading for heading in headings if heading not in page] == []
    assert page.count("<svg") >= 2
