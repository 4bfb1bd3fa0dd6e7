"""``n_latents="auto"`` from data to model: the search, runs that resume, what is stored and shown, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.estimator import SparseMechanismVAE
from estimation.evaluation import evaluate
from estimation.exceptions import ConfigError, DataError
from estimation.latent_count import Candidate, LatentCount
from estimation.models.representation import Shape
from estimation.report import training_page
from estimation.report.rows import training_facts, training_record
from estimation.simulate import simulate
from estimation.sweep.plan import SweepPlan
from estimation.trained import TrainedModel
from estimation.training import counting, fit, latent_search, loop, starts
from estimation.training.counting import count_latents
from estimation.training.loop import Run
from estimation.training.procedure import Initialisation
from identify.graph import CausalGraph
from tests.estimation.command_line import Captured, error_of, json_of
from tests.seeds import training_seed

BAND = CausalGraph(Ga=[[1, 0, 0], [1, 1, 0], [0, 1, 1]])
SIZES = {"width": 16, "depth": 2, "transition_width": 8, "batch_size": 64, "validate_every": 5}
SCHEDULE = {"steps": 20, "warmup": 5, "unmixing": False, "refinements": 0, "flow_blocks": 0}


def tiny(**changes: object) -> TrainingConfig:
    defaults = SIZES | SCHEDULE | {"max_edges_actions": 5, "n_latents": "auto"}
    return TrainingConfig(**(defaults | {"seed": training_seed()} | changes))


def count_of(n: int) -> LatentCount:
    losses = {n - 1: -0.1, n: -1.0, n + 2: -1.0}
    tried = [
        Candidate(m, 0, loss, 0.1, tuple([900.0] * min(m, n) + [2.0] * (m - n))) for m, loss in losses.items()
    ]
    return LatentCount.of(tried, 6, 2.4)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return simulate(BAND, 600, seed=training_seed(1))


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[TrainingConfig]:
    """Replace the search by a function that finds two latents, and return the list of its settings."""
    calls: list[TrainingConfig] = []

    def find(config: TrainingConfig, *others: object) -> LatentCount:
        calls.append(config)
        return count_of(2)

    monkeypatch.setattr(loop, "find_latent_count", find)
    monkeypatch.setattr(counting, "find_latent_count", find)
    return calls


def numbers(model: TrainedModel) -> list[float]:
    return [value for r in model.history.records for value in (r.loss, r.reconstruction, r.divergence)]


def test_the_number_of_latents_of_a_small_process_is_found() -> None:
    graph = CausalGraph(Ga=np.eye(2), Gz=np.eye(2))
    process = simulate(graph, 4000, seed=training_seed(2), n_observed=5)
    config = TrainingConfig(sparsity="none", n_latents="auto", steps=500, seed=training_seed())
    count = count_latents(process, config, progress=False)
    assert count.n_latents == 2
    assert {each.n_latents for each in count.candidates} >= {1, 2}
    assert all(len(each.signal_to_noise) == each.n_latents for each in count.candidates)


def test_a_run_has_the_numbers_of_one_with_that_number(data: Dataset, searches: list[TrainingConfig]) -> None:
    found, given = fit(data, tiny()), fit(data, tiny(n_latents=2))
    assert found.model.shape.n_latents == 2
    assert numbers(found) == numbers(given)
    assert found.config.n_latents == "auto"
    assert found.history.notes == [count_of(2).note, *given.history.notes]
    assert given.history.latent_count is None
    assert len(searches) == 1


def test_the_search_is_saved_and_loaded_with_the_model(
    data: Dataset, searches: list[TrainingConfig], tmp_path: Path
) -> None:
    model = fit(data, tiny())
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.history.latent_count == count_of(2)
    assert loaded.config == model.config
    np.testing.assert_array_equal(loaded.encode(data.observations), model.encode(data.observations))


class StoppedError(Exception):
    pass


def test_a_resumed_run_does_not_search_again(
    data: Dataset, searches: list[TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, advance, n_steps = fit(data, tiny()), Run.advance, 0

    def step(run: Run) -> object:
        nonlocal n_steps
        n_steps += 1
        if n_steps > 12:
            raise StoppedError
        return advance(run)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Run, "advance", step)
        with pytest.raises(StoppedError):
            fit(data, tiny(), checkpoint=tmp_path, checkpoint_every=1)
    assert len(searches) == 2
    resumed = fit(data, tiny(), checkpoint=tmp_path)
    assert len(searches) == 2
    assert numbers(resumed) == numbers(undisturbed)
    assert resumed.history.notes == undisturbed.history.notes
    assert resumed.history.latent_count == count_of(2)


def test_data_with_another_number_of_true_latents_are_evaluated(
    data: Dataset, searches: list[TrainingConfig]
) -> None:
    fewer = evaluate(fit(data, tiny()), data, n_samples=20)
    assert fewer.permutation is not None
    assert sorted(fewer.permutation.tolist()) == [-1, 0, 1]
    assert fewer.mcc is not None
    assert fewer.shd is not None
    more = evaluate(fit(data, tiny(n_latents=5)), data, n_samples=20)
    assert more.comparison is not None
    assert len(more.comparison.unmatched) == 2


def test_reports_show_the_number_with_its_doubt(data: Dataset, searches: list[TrainingConfig]) -> None:
    model = fit(data, tiny())
    assert ("latents found", "2 latents") in training_facts(model)
    record = training_record(model)
    assert record["n_latents"] == 2
    assert record["latent_count"]["summary"] == "2 latents"
    assert [each["n_latents"] for each in record["latent_count"]["candidates"]] == [1, 2, 4]
    page = training_page(model, data, None, "")
    assert "latents found" in page
    assert "How many latents: 2 latents" in page
    given = fit(data, tiny(n_latents=2))
    assert training_record(given)["latent_count"] is None
    assert "How many latents" not in training_page(given, data, None, "")


def test_the_command_line_takes_auto_and_numbers(
    searches: list[TrainingConfig], tmp_path: Path, capsys: Captured, data: Dataset
) -> None:
    data.write(tmp_path / "data.npz")
    settings = [
        f"--set={name}={str(value).lower()}" for name, value in (SIZES | SCHEDULE).items() if name != "steps"
    ]
    command = (
        "train",
        tmp_path / "data.npz",
        "--max-edges-actions",
        5,
        "--steps",
        20,
        "--seed",
        training_seed(),
    )
    output = json_of(capsys, *command, *settings, "-o", tmp_path / "auto", "--n-latents", "auto")
    assert (output["n_latents"], output["latent_count"]["n_latents"]) == (2, 2)
    assert count_of(2).note in output["notes"]
    same = json_of(capsys, *command, *settings, "-o", tmp_path / "same", "--latents", "auto")
    assert same["latent_count"] == output["latent_count"]
    message = error_of(capsys, *command, "-o", tmp_path / "both", "--latents", "auto", "--n-latents", 4)
    assert (
        "--latents auto finds the number of latents, and --n-latents says it is 4; leave one out" in message
    )
    output = json_of(capsys, *command, *settings, "-o", tmp_path / "four", "--n-latents", 4)
    assert (output["n_latents"], output["latent_count"]) == (4, None)
    message = error_of(capsys, *command, "-o", tmp_path / "other", "--n-latents", "many")
    assert "n_latents is 'many'; it must be a whole number or 'auto'" in message


def test_user_supplied_networks_and_wrong_numbers_are_refused(data: Dataset) -> None:
    message = (
        "n_latents is 'auto', and the encoder is user-supplied, with a fixed number of latents; set n_latents"
    )
    with pytest.raises(ConfigError, match=message):
        fit(data, tiny(), encoder=nn.Linear(6, 3))
    with pytest.raises(ConfigError, match="and the decoder is user-supplied, with a fixed number of latents"):
        fit(data, tiny(), decoder=nn.Linear(3, 6))
    with pytest.raises(ConfigError, match="n_latents is True; it must be a whole number or 'auto'"):
        tiny(n_latents=True)
    with pytest.raises(ConfigError, match="n_latents is 0; it must be from 1 to 10000"):
        tiny(n_latents=0)
    with pytest.raises(
        ConfigError, match="n_latents is 'auto', and networks that are built before training need"
    ):
        Shape.of(data, "auto")
    with pytest.raises(ConfigError, match="or n_latents='auto' for the sparse VAE to find it"):
        Shape.of(Dataset.from_arrays(data.observations))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_edges_actions": None}, "no edge budget is set"),
        ({"max_edges_past": 3}, "max_edges_past is set, but the data have one time step"),
        ({"sparse_actions": ("push",)}, "push"),
    ],
)
def test_settings_that_contradict_the_data_are_refused_before_the_search(
    data: Dataset, changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.Run, "advance", None)
    with pytest.raises(ConfigError, match=message):
        fit(data, tiny(**changes))


def test_an_action_with_the_name_of_a_found_latent_is_refused(
    data: Dataset, searches: list[TrainingConfig]
) -> None:
    named = Dataset.from_arrays(data.observations, data.actions, action_names=["v1", "push", "pull"])
    with pytest.raises(DataError, match="an action is called 'v1', like a learned latent"):
        fit(named, tiny())


@pytest.mark.parametrize(("budget", "expected"), [("auto", 2), (4, 4)])
def test_the_estimator_finds_the_number(
    data: Dataset, searches: list[TrainingConfig], budget: int | str, expected: int
) -> None:
    given = ("steps", "batch_size", "unmixing")
    settings = {name: value for name, value in (SIZES | SCHEDULE).items() if name not in given}
    estimator = SparseMechanismVAE(
        "auto",
        max_edges_actions=budget,
        steps=20,
        batch_size=64,
        unmixing=False,
        random_state=training_seed(),
        settings=settings,
    )
    latents = estimator.fit_transform(data.observations[:, 0], actions=data.actions)
    assert latents.shape == (600, 2)
    assert estimator.get_feature_names_out().tolist() == ["v0", "v1"]
    assert estimator.model_.config.max_edges_actions == expected
    assert estimator.model_.config.n_latents == "auto"
    assert estimator.history_.latent_count == count_of(2)
    assert len(searches) == 1


def test_a_sweep_takes_auto_beside_numbers() -> None:
    plan = SweepPlan.from_dict(
        {
            "data": {"pairs": {"source": "ActionBlockDiag", "settings": {"max_edges_actions": 10}}},
            "method": {"sparse": {"grid": {"n_latents": ["auto", 8]}}},
        }
    )
    assert [trial.setting["n_latents"] for trial in plan.trials] == ["auto", 8]


def superfluous(n: int, given: int) -> LatentCount:
    tried = [Candidate(m, 0, -1.0, 0.1, tuple([900.0] * n + [2.0] * (m - n))) for m in (given, n)]
    return LatentCount(n, 6, None, tuple(tried), given)


def test_superfluous_latents_of_a_given_number_are_removed(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(starts, "RACE_STEPS", 5)
    monkeypatch.setattr(latent_search, "fewer_latents", lambda *others: superfluous(2, 4))
    changes = {"starts": 2, "steps": 200}
    removed = fit(data, tiny(n_latents=4, **changes), checkpoint=tmp_path / "state", checkpoint_every=150)
    monkeypatch.setattr(latent_search, "fewer_latents", lambda *others: None)
    given = fit(data, tiny(n_latents=2, **changes))
    assert removed.model.shape.n_latents == 2
    assert removed.config.n_latents == 4
    assert numbers(removed) == numbers(given)
    text = "2 of the 4 latents are superfluous, and 2 were trained"
    assert removed.history.notes[0].startswith(f"{text}: the held-out negative ELBOs of short runs were")
    assert [warning.text for warning in removed.warnings if warning.kind == "collapsed latents"][-1] == text
    assert training_facts(removed)[0] == ("latents found", f"2 latents; {text}")
    # the state after 200 steps is that of a run with two latents
    resumed = fit(data, tiny(n_latents=4, **changes), checkpoint=tmp_path / "state")
    assert numbers(resumed) == numbers(removed)
    removed.save(tmp_path / "model")
    assert load(tmp_path / "model").history.latent_count == superfluous(2, 4)


def test_a_race_without_superfluous_latents_changes_nothing(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "RACE_STEPS", 5)
    # after so few steps latents have not been found yet, and would count as superfluous
    monkeypatch.setattr(Candidate, "n_clear", property(lambda candidate: candidate.n_latents))
    config = tiny(n_latents=3, starts=2, steps=20)
    examined = fit(data, config)
    monkeypatch.setattr(latent_search, "fewer_latents", None)
    monkeypatch.setattr(loop, "without_superfluous", lambda *others: None)
    assert numbers(fit(data, config)) == numbers(examined)


@pytest.mark.parametrize(
    ("true", "n_bad", "found", "n_runs"),
    [(3, 0, 3, 2), (3, 2, 3, 4), (3, 3, None, 4), (5, 0, None, 1)],
    ids=["superfluous", "two bad starts", "three bad starts", "none superfluous"],
)
def test_fewer_latents_replace_those_given_if_held_out_data_are_as_likely(
    true: int, n_bad: int, found: int | None, n_runs: int, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[int, int]] = []

    class Fake:
        step, procedure = 500, None

        def __init__(self, n: int, start: int) -> None:
            self.n_latents, self.start = n, start
            runs.append((n, start))

        def advance(self) -> None:
            raise AssertionError("the fake run has taken its steps")

    def measured(run: Fake, held_out: Dataset, start: int) -> Candidate:
        ratios = tuple([900.0] * min(true, run.n_latents) + [3.0] * (run.n_latents - true))
        is_bad = run.n_latents == true and start < n_bad
        return Candidate(run.n_latents, start, -1.0 + 0.3 * is_bad, 0.1, ratios)

    monkeypatch.setattr(latent_search, "_measured", measured)
    count = latent_search.fewer_latents(Fake(5, 0), Initialisation(data, data), Fake)
    assert (None if count is None else count.n_latents) == found
    assert len(runs) == n_runs


def test_a_count_for_another_setting_is_refused(data: Dataset) -> None:
    with pytest.raises(ConfigError, match="latent_count is given, and n_latents is 3, not 'auto'; keep one"):
        fit(data, tiny(n_latents=3), latent_count=count_of(2))


def test_the_search_is_a_function_of_the_seed(data: Dataset) -> None:
    find: Callable[[], LatentCount] = lambda: count_latents(data, tiny(steps=3), progress=False)  # noqa: E731
    assert find() == find()
