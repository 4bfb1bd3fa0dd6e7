"""Commands on tables with covariates: train, evaluate, compare, verify, predict, impute; bad input in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import CheckpointError
from estimation.training import fit
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of
from tests.seeds import training_seed

TRAIN = ["--n-latents", "2", "--covariates", "batch,age", *TINY]
NAMES = ("batch=b1", "batch=b2", "batch=b3", "age")


def table(**columns: object) -> pd.DataFrame:
    """Return 300 rows of four observed columns with two actions, a batch and an age."""
    generator = np.random.default_rng(training_seed())
    actions = generator.integers(0, 2, (300, 2))
    x = (actions + generator.normal(size=(300, 2)) / 3) @ generator.normal(size=(2, 4))
    batch = [f"b{k % 3 + 1}" for k in range(300)]
    frame = pd.DataFrame(x + generator.normal(size=x.shape) / 5, columns=[f"x{k}" for k in range(4)])
    frame[["a0", "a1"]] = actions
    return frame.assign(**{"batch": batch, "age": np.linspace(20, 60, 300), **columns})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from estimation.commands import main

    folder = tmp_path_factory.mktemp("trained")
    table().to_csv(folder / "table.csv", index=False)
    for name, seed in (("model", 0), ("other", 1)):
        arguments = [
            "train",
            folder / "table.csv",
            *TRAIN,
            "--seed",
            training_seed(seed),
            "-o",
            folder / name,
        ]
        assert main([str(argument) for argument in arguments]) == 0
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in trained.iterdir():
        Path(path.name).symlink_to(path)
    # all rows of one batch, in other columns' order
    table(batch="b2")[["age", "batch", "a1", "a0", "x3", "x2", "x1", "x0"]].to_csv("new.csv", index=False)
    table(batch="b9").to_csv("unseen.csv", index=False)
    table().drop(columns="age").to_csv("lacking.csv", index=False)
    np.savez("arrays.npz", x=table()[[f"x{k}" for k in range(4)]], a=table()[["a0", "a1"]])
    return tmp_path


def test_a_model_of_a_table_knows_its_covariates(here: Path, capsys: Captured) -> None:
    model = load("model")
    assert model.covariate_names == NAMES
    assert model.covariate_categories == {"batch": ("b1", "b2", "b3")}
    text = output_of(capsys, "evaluate", "model", "new.csv")
    assert "4 observed, 2 actions, 4 covariates" in text
    output_of(capsys, "compare", "model", "other", "new.csv")
    output_of(capsys, "verify", "model", "other", "--data", "new.csv")
    output_of(capsys, "influence", "model", "new.csv")
    output_of(capsys, "report", "model", "new.csv", "-o", "report.html")
    gaps = table(batch="b2")
    gaps.loc[::5, "x1"] = np.nan
    gaps.to_csv("gaps.csv", index=False)
    assert json_of(capsys, "impute", "model", "gaps.csv", "-o", "filled.csv")["filled"] == 60


def test_models_with_other_covariates_are_compared_in_any_order(here: Path, capsys: Captured) -> None:
    # the batches are numbers for one of the models
    table(batch=[k % 3 for k in range(300)]).to_csv("numbered.csv", index=False)
    for name, options in (
        ("fewer", ["--covariates", "age"]),
        ("numbers", ["--covariates", "batch"]),
        ("categories", ["--covariates", "age,batch", "--categorical", "batch"]),
    ):
        output_of(
            capsys,
            "train",
            "numbered.csv",
            *options,
            "--n-latents",
            "2",
            *TINY,
            "-o",
            name,
            "--seed",
            training_seed(),
        )
    for pair in (
        ("fewer", "categories"),
        ("categories", "fewer"),
        ("numbers", "fewer"),
        ("fewer", "numbers"),
    ):
        # which latents match, and so which edges agree, may depend on the order; that both are read doesn't
        assert json_of(capsys, "compare", *pair, "numbered.csv")["edges"]
    for pair in (("numbers", "categories"), ("categories", "numbers")):
        output_of(capsys, "compare", *pair, "numbered.csv")
        output_of(capsys, "verify", "fewer", *pair, "--data", "numbered.csv")


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "model"],
        ["compare", "model", "other"],
        ["verify", "model", "other", "--data"],
        ["influence", "model"],
        ["impute", "model", "-o", "filled.csv"],
        ["report", "model", "-o", "report.html"],
    ],
)
def test_other_covariates_are_refused(command: list[str], here: Path, capsys: Captured) -> None:
    before = sorted(os.listdir(here))
    message = error_of(capsys, *command, "unseen.csv")
    assert "column 'batch', row 2 (the names are row 1) is 'b9'; the categories are b1, b2, b3" in message
    assert "lacking.csv: lacks column 'age' of the training data" in error_of(capsys, *command, "lacking.csv")
    assert "trained with the covariates batch=b1" in error_of(capsys, *command, "arrays.npz")
    assert sorted(os.listdir(here)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv", "--covariates", "batch,donor"], "covariates: no column is called or matches 'donor'"),
        (
            ["table.csv", "--covariates", "a0"],
            "column 'a0' is selected for actions and for covariates; select it once",
        ),
        (["table.csv", "--covariates", "batch,"], "--covariates batch,: a name is empty; give names between"),
        (["arrays.npz", "--covariates", "batch"], "arrays.npz: has no array 'batch'; it has 'a', 'x'"),
        (["TimeDiag", "-n", "100", "--covariates", "batch"], "--covariates is for files"),
        (["table.csv", *TRAIN[2:4], "--validation", "unseen.csv"], "unseen.csv: column 'batch', row 2 "),
    ],
)
def test_nothing_is_trained_on_wrong_covariates(
    arguments: list[str], message: str, here: Path, capsys: Captured
) -> None:
    before = sorted(os.listdir(here))
    assert message in error_of(capsys, "train", *arguments, "--n-latents", "2", *TINY, "-o", "new")
    assert sorted(os.listdir(here)) == before


def test_baselines_take_no_covariates(here: Path, capsys: Captured) -> None:
    options = ["--covariates", "batch", "--method", "vae", "--n-latents", "2"]
    message = error_of(capsys, "train", "table.csv", *options, "-o", "new")
    assert (
        "vae takes no covariates, and the data have batch=b1, batch=b2, batch=b3; leave them out" in message
    )
    assert not list(here.glob("new/*"))


def test_training_does_not_resume_on_other_covariates(here: Path) -> None:
    config = TrainingConfig(
        n_latents=2, max_edges_actions=3, steps=4, width=8, depth=1, unmixing=False, seed=training_seed()
    )
    data = Dataset.read("table.csv", covariates="age")
    fit(data, config, progress=False, checkpoint="state")
    table(age=np.linspace(21, 60, 300)).to_csv("changed.csv", index=False)
    for other in (
        Dataset.read("table.csv", covariates="batch"),
        Dataset.read("table.csv"),
        Dataset.read("changed.csv", covariates="age"),
    ):
        with pytest.raises(CheckpointError, match="holds a run on other training data; give the data"):
            fit(other, config, progress=False, checkpoint="state")
    fit(data, config, progress=False, checkpoint="state")


def test_predictions_need_the_covariates(here: Path, capsys: Captured) -> None:
    covariates = ["--covariate", "batch=b2", "--covariate", "age = 30"]
    report = json_of(capsys, "predict", "model", "a0=1", *covariates)
    forecast = load("model").predict({"a0": 1}, covariates={"batch": "b2", "age": 30})
    assert [entry["mean"] for entry in report["predictions"]] == forecast.mean[0].tolist()
    message = error_of(capsys, "predict", "model", "a0=1")
    assert (
        "the model was trained with the covariates batch, age; give each with --covariate NAME=VALUE"
        in message
    )
    assert "with age as a number; give NAME=NUMBER" in error_of(
        capsys, "predict", "model", "a0=1", "--covariate", "batch=b2", "--covariate", "age=old"
    )


def test_a_table_of_actions_may_have_the_covariates(here: Path, capsys: Captured) -> None:
    planned = table()[["age", "a1", "batch", "a0"]].iloc[:3]
    planned.to_csv("planned.csv", index=False)
    report = json_of(capsys, "predict", "model", "--actions", "planned.csv")
    forecast = load("model").predict(planned[["a0", "a1"]], covariates=planned[["batch", "age"]])
    means = np.reshape([entry["mean"] for entry in report["predictions"]], (3, 4))
    np.testing.assert_allclose(means, forecast.mean, rtol=1e-5)
    planned.drop(columns="age").to_csv("lacking.csv", index=False)
    message = error_of(capsys, "predict", "model", "--actions", "lacking.csv")
    assert (
        "lacking.csv: the model was trained with the covariates age, which the table lacks; give it"
        in message
    )
    planned.assign(batch="b9").to_csv("unseen.csv", index=False)
    message = error_of(capsys, "predict", "model", "--actions", "unseen.csv")
    assert "column 'batch', row 2 (the names are row 1) is 'b9'; the categories are b1, b2, b3" in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["batch=b1", "batch=b2", "age=30"], "batch=b2: the covariate batch is given twice; leave one out"),
        (["batch=b1", "age=30", "age=30"], "age=30: the covariate age is given twice; leave one out"),
        (["batch=b1", "age=30", "foo=1"], "without a covariate 'foo'; its covariates are batch, age"),
    ],
)
def test_repeated_and_unknown_covariates_are_refused(
    given: list[str], message: str, here: Path, capsys: Captured
) -> None:
    options = [part for text in given for part in ("--covariate", text)]
    assert message in error_of(capsys, "predict", "model", "a0=1", *options, "-o", "out.csv")
    assert not Path("out.csv").exists()


def test_covariates_are_not_taken_for_actions(here: Path, capsys: Captured) -> None:
    table()[["age", "batch"]].iloc[:2].to_csv("covariates.csv", index=False)
    message = error_of(capsys, "predict", "model", "--actions", "covariates.csv")
    assert "covariates.csv: has covariates and no actions; the model was trained on a0, a1" in message
    table()[["a0", "a1", "age"]].iloc[:2].to_csv("planned.csv", index=False)
    options = ["--covariate", "batch=b1", "--covariate", "age=30"]
    message = error_of(capsys, "predict", "model", "--actions", "planned.csv", *options)
    assert "planned.csv: has the covariates age, which --covariate gives too; leave one out" in message


def test_a_model_without_actions_takes_a_table_of_covariates(here: Path, capsys: Captured) -> None:
    frame = table().assign(run=np.repeat([0, 1, 2], 100), batch=np.repeat(["b1", "b2", "b3"], 100))
    frame.drop(columns=["a0", "a1"]).to_csv("runs.csv", index=False)
    options = ["--episode", "run", "--covariates", "batch", "--n-latents", "2", "--max-edges-past", "2"]
    tiny = [*TINY[:2], *TINY[4:]]
    output_of(capsys, "train", "runs.csv", *options, *tiny, "-o", "runs")
    frame[["x0", "x1", "x2", "x3"]].iloc[:1].to_csv("past.csv", index=False)
    pd.DataFrame({"batch": ["b1", "b3"]}).to_csv("covariates.csv", index=False)
    frame[["a0"]].iloc[:1].to_csv("actions.csv", index=False)
    given = ["--actions", "actions.csv", "--covariate", "batch=b1"]
    assert "actions were given, and this model was trained without actions" in error_of(
        capsys, "predict", "runs", "--past", "past.csv", *given
    )
    report = json_of(capsys, "predict", "runs", "--past", "past.csv", "--actions", "covariates.csv")
    for row, batch in enumerate(("b1", "b3")):
        single = json_of(capsys, "predict", "runs", "--past", "past.csv", "--covariate", f"batch={batch}")
        np.testing.assert_allclose(
            [entry["mean"] for entry in report["predictions"] if entry["row"] == row],
            [entry["mean"] for entry in single["predictions"]],
            rtol=1e-4,
        )


def test_true_and_false_are_numbers(here: Path, capsys: Captured) -> None:
    table(smoker=[k % 4 == 0 for k in range(300)]).to_csv("smokers.csv", index=False)
    options = ["--covariates", "smoker", "--n-latents", "2", *TINY]
    output_of(capsys, "train", "smokers.csv", *options, "-o", "smokers")
    assert load("smokers").covariate_names == ("smoker",)
    reports = [
        json_of(capsys, "predict", "smokers", "a0=1", "--covariate", f"smoker={value}")
        for value in ("True", "1")
    ]
    assert reports[0] == reports[1]


def test_a_number_with_an_equals_sign_in_its_name(here: Path, capsys: Captured) -> None:
    table().rename(columns={"age": "dose=high"}).to_csv("named.csv", index=False)
    output_of(
        capsys, "train", "named.csv", "--covariates", "dose=high", "--n-latents", "2", *TINY, "-o", "named"
    )
    assert load("named").covariate_categories == {}
    output_of(capsys, "predict", "named", "a0=1", "--covariate", "dose=high=30")
    assert "give NAME=NUMBER" in error_of(capsys, "predict", "named", "a0=1", "--covariate", "dose=high=x")
    assert "without a covariate 'dose'; its covariates are dose=high" in error_of(
        capsys, "predict", "named", "a0=1", "--covariate", "dose=3"
    )


def test_convolutional_networks_take_covariates(here: Path, capsys: Captured) -> None:
    generator = np.random.default_rng(training_seed())
    Path("images").mkdir()
    for number in range(40):
        pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(here / "images" / f"{number}.png")
    rows = {"image": [f"{number}.png" for number in range(40)], "batch": ["b1", "b2"] * 20}
    pd.DataFrame({**rows, "a0": generator.integers(0, 2, 40)}).to_csv("images/table.csv", index=False)
    settings = ["--steps", "5", "--max-edges-actions", "1", "--n-latents", "1", "--set", "unmixing=false"]
    command = [
        "train",
        "images",
        "--covariates",
        "batch",
        "--convolutional",
        *settings,
        "-o",
        "convolutional",
    ]
    output_of(capsys, *command, "--seed", training_seed())
    assert load("convolutional").covariate_names == ("batch=b1", "batch=b2")
    assert "2 covariates" in output_of(capsys, "evaluate", "convolutional", "images")
