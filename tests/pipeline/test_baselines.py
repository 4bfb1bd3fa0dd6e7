"""Trained baselines have the interface of the sparse VAE, from `fit` to the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from estimation.checkpoint import load
from estimation.commands import main
from estimation.config import TrainingConfig
from estimation.config.baselines import BASELINES, BaselineConfig
from estimation.dataset import Dataset
from estimation.evaluation import evaluate
from estimation.evaluation.verification import verify
from estimation.exceptions import CheckpointError, DataError
from estimation.history import Record
from estimation.influence import learned_influence
from estimation.learned import learned_entanglement
from estimation.models.convolutional import ConvDecoder, ConvEncoder
from estimation.selection import measure_runs
from estimation.simulate import simulate
from estimation.sweep import SweepPlan, collect, run_sweep
from estimation.trained import TrainedModel
from estimation.training import fit
from tests.seeds import training_seed

TINY = {"steps": 30, "width": 12, "depth": 1, "head_width": 6, "head_depth": 1, "batch_size": 64, "warmup": 5}
WITHOUT_ELBO = ("random", "supervised", "pcl")


def tiny(method: str, **changes: object) -> BaselineConfig:
    return BaselineConfig.from_dict(
        {"method": method, "seed": training_seed(), "validate_every": 10} | TINY | changes
    )


@pytest.fixture(scope="module")
def actions() -> Dataset:
    return simulate("ActionBlockDiag", 400, seed=training_seed(1))


@pytest.fixture(scope="module")
def time() -> Dataset:
    return simulate("TimeBlockDiag", 300, seed=training_seed(1))


@pytest.fixture
def data(request: pytest.FixtureRequest, actions: Dataset, time: Dataset) -> Dataset:
    return time if request.param in ("slowvae", "pcl", "vae") else actions


every_method = pytest.mark.parametrize(
    ("method", "data"), [(name, name) for name in BASELINES], indirect=["data"]
)


def weights(model: TrainedModel) -> dict[str, torch.Tensor]:
    return model.model.state_dict()


def have_equal_weights(a: TrainedModel, b: TrainedModel) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@every_method
def test_every_method_has_the_same_interface(method: str, data: Dataset, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    model = fit(data, tiny(method))
    assert torch.equal(before, torch.random.get_rng_state())
    assert have_equal_weights(model, fit(data, tiny(method)))
    assert not have_equal_weights(model, fit(data, tiny(method, seed=training_seed(1))))
    records = model.history.records
    assert [record.step for record in records] == ([] if method == "random" else [10, 20, 30])
    assert all(np.isfinite(record.negative_elbo) for record in records)
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.method == model.method == method
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.encode(data.observations), model.encode(data.observations))
    evaluation = evaluate(loaded, data, n_samples=50)
    assert evaluation.mcc is not None
    assert evaluation.r_con is not None
    assert 0 < evaluation.mcc <= evaluation.r_con + 1e-6 <= 1
    # a baseline has no graph to compare
    assert (evaluation.shd, evaluation.errors, model.graph.n_edges) == (None, None, 0)
    assert (evaluation.negative_elbo is None) == (method in WITHOUT_ELBO)
    json.dumps(evaluation.to_dict())


@pytest.mark.parametrize("method", WITHOUT_ELBO)
def test_methods_without_a_decoder_can_only_encode(method: str, time: Dataset) -> None:
    model = fit(time, tiny(method))
    with pytest.raises(DataError, match="this model has no decoder; it only encodes"):
        model.decode(np.zeros((3, 10)))
    assert model.negative_elbo(time) is None
    # the true decoder is known, but the model has none to compare it with
    assert learned_entanglement(model, time, n_samples=50).method == "regression"
    with pytest.raises(DataError, match=f"{method} has no decoder to differentiate; use method='regression'"):
        learned_entanglement(model, time, method="jacobian", n_samples=50)
    with pytest.raises(DataError, match=f"{method} has no decoder to differentiate"):
        learned_entanglement(model, time, other=model, n_samples=50)


def test_functions_that_need_a_graph_refuse_baselines(actions: Dataset) -> None:
    models = {f"seed {seed}": fit(actions, tiny("ivae", seed=training_seed(seed))) for seed in (0, 1)}
    with pytest.raises(DataError, match="seed 0 is a model of ivae, which learns no graph"):
        verify(models, actions)
    with pytest.raises(DataError, match="ivae has no transition networks"):
        learned_influence(models["seed 0"], actions)


def test_stability_across_seeds_is_measured_for_baselines(time: Dataset) -> None:
    """The UDR needs only latents; the negative ELBO is NaN for a method without one."""
    runs = measure_runs([(0, fit(time, tiny("pcl", seed=training_seed(seed)))) for seed in (0, 1)], time)
    assert [np.isnan(run.negative_elbo) for run in runs] == [True, True]
    assert runs[0].udr == runs[1].udr
    assert runs[0].udr is not None


def test_supervised_scores_far_above_random() -> None:
    train, test = (
        simulate("ActionDiag", n, seed=training_seed(2), split=split)
        for n, split in ((6_000, "train"), (1_000, "test"))
    )
    config = {"steps": 500, "width": 64, "depth": 2, "batch_size": 256}
    best, worst = (evaluate(fit(train, tiny(name, **config)), test) for name in ("supervised", "random"))
    assert best.mcc is not None
    assert worst.mcc is not None
    assert best.mcc > 0.95
    assert worst.mcc < 0.7


@pytest.mark.parametrize(("method", "data"), [("tcvae", "tcvae"), ("pcl", "pcl")], indirect=["data"])
def test_an_interrupted_run_resumes_with_the_same_numbers(method: str, data: Dataset, tmp_path: Path) -> None:
    def stop(record: Record) -> None:
        if record.step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, tiny(method), checkpoint=tmp_path, checkpoint_every=10, on_record=stop)
    steps: list[int] = []
    resumed = fit(
        data,
        tiny(method),
        checkpoint=tmp_path,
        checkpoint_every=10,
        on_record=lambda record: steps.append(record.step),
    )
    assert steps == [20, 30]
    assert have_equal_weights(resumed, fit(data, tiny(method)))
    with pytest.raises(
        CheckpointError, match=r"holds a run with other settings \(method\); give another folder"
    ):
        fit(data, tiny("vae"), checkpoint=tmp_path)


def test_a_baseline_with_convolutional_networks_is_saved_and_loaded(tmp_path: Path) -> None:
    rng = np.random.default_rng(training_seed())
    data = Dataset.from_arrays(
        rng.uniform(size=(80, 3 * 8 * 8)), actions=rng.normal(size=(80, 2)), observation_shape=(3, 8, 8)
    )
    networks = {
        "encoder": ConvEncoder((3, 8, 8), 2, training_seed()),
        "decoder": ConvDecoder(2, (3, 8, 8), training_seed()),
    }
    model = fit(data, tiny("ivae", n_latents=2, steps=5), **networks)
    model.save(tmp_path)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.encode(data.observations), model.encode(data.observations))
    assert loaded.decode(np.zeros((4, 2))).shape == (4, 192)


def test_a_sparse_vae_is_loaded_with_its_method(actions: Dataset, tmp_path: Path) -> None:
    settings = {"steps": 4, "width": 8, "transition_width": 4, "unmixing": False}
    model = fit(actions, TrainingConfig(max_edges_actions=10, seed=training_seed(), **settings))
    model.save(tmp_path)
    assert load(tmp_path).method == "sparse_vae"
    # versions without baselines did not store the method
    manifest = tmp_path / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["content"]["method"]
    manifest.write_text(json.dumps(content))
    assert load(tmp_path).graph == model.graph


# sweeps and commands --------------------------------------------------------------------------------


def test_a_sweep_over_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = {"source": "ActionBlockDiag", "samples": 300, "test_samples": 200}
    small = {"steps": 12, "width": 8, "batch_size": 64}
    content = {
        "seeds": [training_seed(0), training_seed(1)],
        "data": {"pairs": {**source, "grid": {"max_edges_actions": [5, 10]}, "settings": small}},
        "method": {
            "sparse": {"settings": {"flow_blocks": 1, "transition_width": 4}},
            "plain": {"kind": "vae"},
            "pure": {"kind": "random", "grid": {"depth": [0, 1]}},
        },
    }
    plan = SweepPlan.from_dict(content)
    assert len(run_sweep(plan, tmp_path / "runs").done) == 10
    results = collect(tmp_path / "runs")
    rows = {(row["method"], row["seed"] - training_seed()): row for row in results.rows}
    assert (rows["plain", 0]["edges"], rows["plain", 0]["shd"], rows["plain", 0]["steps"]) == (None, None, 12)
    assert rows["plain", 0]["negative_elbo"] is not None
    assert (rows["pure", 1]["negative_elbo"], rows["pure", 1]["steps"]) == (None, 0)
    assert rows["pure", 1]["udr"] is not None
    # without edges there is no setting to select
    assert results.select("pairs", "pure") is None
    path = tmp_path / "plan.toml"
    path.write_text(
        f"seeds = [{training_seed(0)}, {training_seed(1)}]\n"
        '[data.pairs]\nsource = "ActionBlockDiag"\nsamples = 300\ntest_samples = 200\n'
        "[data.pairs.settings]\nsteps = 12\nwidth = 8\nbatch_size = 64\n"
        '[method.pure]\nkind = "random"\ngrid.depth = [0, 1]\n'
    )
    assert main(["sweep", str(path), "-o", str(tmp_path / "runs")]) == 0
    text = capsys.readouterr().out
    assert "pairs, pure" in text
    # only the runs of the plan are shown
    assert "pairs, sparse" not in text
    assert not list((tmp_path / "runs").glob("*.svg"))


def test_the_command_line_trains_and_evaluates_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    simulate("ActionBlockDiag", 300, seed=training_seed(1)).write("data.npz")
    settings = ["--steps", "12", "--set", "width=8", "--set", f"seed={training_seed()}"]
    arguments = ["train", "data.npz", "-o", "model", *settings]
    assert main([*arguments, "--method", "ivae"]) == 0
    assert not Path("model/graph.json").exists()
    assert "ivae" in capsys.readouterr().out
    for command in (
        ["evaluate", "model", "data.npz"],
        ["evaluate", "model", "data.npz", "--report", "page.html"],
    ):
        assert main(command) == 0
    assert "iVAE" not in capsys.readouterr().err
    # two empty graphs would confirm anything
    assert main(["compare", "model", "model", "data.npz"]) == 2
    assert capsys.readouterr().err == (
        "mechsparse: model is a model of ivae, which learns no graph: the theory predicts nothing about it\n"
    )
    assert main([*arguments, "--method", "gan"]) == 2
    err = capsys.readouterr().err
    assert err == (
        "mechsparse: --method is 'gan'; it is one of sparse_vae, random, supervised, vae, tcvae, ivae, slowvae, pcl\n"
    )
    assert main([*arguments, "--method", "vae", "--set", "method=ivae"]) == 2
    assert "method is 'ivae' in the settings and 'vae' as an option; keep one" in capsys.readouterr().err
    assert main([*arguments, "--method", "vae", "--max-edges-actions", "3"]) == 2
    assert "no setting is called 'max_edges_actions'" in capsys.readouterr().err
