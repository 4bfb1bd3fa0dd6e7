"""The gene regulatory network: what is drawn and predicted, and cells that follow the formulas of SERGIO."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

from identify.criterion import check
from identify.graph import CausalGraph
from tests.benchmarks.systems.gene_cells import TECHNICAL, Cells, Network, draw_network, simulate
from tests.benchmarks.systems.gene_network import methods, supervised
from tests.documentation import DOCS
from tests.seeds import training_seed

needs_sergio = pytest.mark.skipif(
    importlib.util.find_spec("SERGIO") is None,
    reason="needs SERGIO: pip install --target FOLDER --no-deps sergio-scSim==1.9.3 cma; PYTHONPATH=FOLDER",
)
STORED = json.loads((DOCS / "results" / "gene_network.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("shift", range(5))
def test_networks_have_hidden_regulators_of_all_targets(shift: int) -> None:
    network = draw_network(training_seed(shift))
    regulators = {name: [edge[0] for edge in network.edges if edge[1] == name] for name in network.targets}
    assert len(network.targets) == 80
    assert all(1 <= len(set(names)) == len(names) <= 3 for names in regulators.values())
    assert set().union(*regulators.values()) == set(network.graph.latents)
    assert all(1 <= abs(strength) <= 5 for _, _, strength, _ in network.edges)
    assert draw_network(training_seed(shift)).edges == network.edges


@pytest.mark.parametrize("shift", range(5))
def test_perturbations_switch_two_regulators_on(shift: int) -> None:
    network = draw_network(training_seed(shift))
    moved = network.graph.Ga.toarray()
    assert (moved.sum(0) == 2).all()
    assert len({tuple(column) for column in moved.T.tolist()}) == 12
    control, perturbed = network.rates[:, :1], network.rates[:, 1:]
    assert np.array_equal(perturbed != control, moved)
    assert (control <= 2.5).all()
    assert (perturbed[moved] >= 3.5).all()


def made_up(network: Network) -> Cells:
    """Return cells without SERGIO, the first without any count."""
    rng = np.random.default_rng(training_seed(3))
    regulators = rng.gamma(4.0, size=(130, 6))
    clean = regulators @ rng.uniform(0.1, 1, (6, 80))
    counts = rng.poisson(clean).astype(float)
    counts[0] = 0
    condition = np.arange(130) % 13
    return Cells(regulators, clean, counts, (condition[:, None] == np.arange(1, 13)).astype(float))


def test_cells_without_counts_are_left_out_of_all_data() -> None:
    network = draw_network(training_seed(0))
    cells = made_up(network)
    counts, scaled, clean = (cells.dataset(network, see) for see in ("counts", "log1p", "clean"))
    for data in (counts, scaled, clean):
        assert len(data) == 129
        assert data.observation_names == network.targets
        assert data.latents is not None
        np.testing.assert_allclose(data.latents[:, 0], cells.regulators[1:], rtol=1e-6)
    assert np.array_equal(counts.observations[:, 0], cells.counts[1:])
    sums = np.expm1(scaled.observations[:, 0]).sum(1)
    np.testing.assert_allclose(sums, np.median(cells.counts.sum(1)), rtol=1e-3)
    assert min(supervised(clean, clean)) > 0.999
    sized = cells.dataset(network, "counts and size")
    assert np.array_equal(sized.observations, counts.observations)
    assert sized.covariate_names == ("log size",)
    assert sized.covariates is not None
    np.testing.assert_allclose(sized.covariates[:, 0], np.log(cells.counts[1:].sum(1)), rtol=1e-6)


def test_within_perturbations_no_mean_of_a_perturbation_helps() -> None:
    network = draw_network(training_seed(0))
    rng = np.random.default_rng(training_seed(7))
    condition = np.arange(2600) % 13
    # targets that follow the perturbation and nothing else of the regulators
    regulators = 5.0 * rng.normal(size=(13, 6))[condition] + rng.normal(size=(2600, 6))
    clean = 10 + rng.normal(size=(13, 80))[condition] + 0.1 * rng.random((2600, 80))
    actions = (condition[:, None] == np.arange(1, 13)).astype(float)
    data = Cells(regulators, clean, np.ones((2600, 80)), actions).dataset(network, "clean")
    train, test = data.take(slice(0, 1300)), data.take(slice(1300, None))
    assert min(supervised(train, test)) > 0.9
    assert max(supervised(train, test, within=True)) < 0.2


def test_each_method_sees_what_its_likelihood_needs() -> None:
    for see, config in methods(draw_network(0), steps=10, seed=1).values():
        likelihood = getattr(config, "likelihood", "gaussian")
        assert see.startswith("counts") == (likelihood != "gaussian")
        assert config.seed == 1


@pytest.mark.parametrize("record", STORED, ids=lambda record: "-".join(map(str, record["where"].values())))
def test_stored_predictions_are_those_of_the_drawn_network(record: dict) -> None:
    graph = draw_network(record["where"]["network"]).graph
    assert CausalGraph.from_edges(record["predicted"]["edges"], graph.latents, graph.actions) == graph
    verdict = check(graph, effects="shifts")
    assert check(graph).headline == record["predicted"]["graphical"]
    assert verdict.headline == record["predicted"]["on/off"]
    assert [str(latent) for latent in verdict.latents] == record["predicted"]["latents"]


@pytest.mark.parametrize("record", STORED, ids=lambda record: "-".join(map(str, record["where"].values())))
def test_every_stored_run_with_wrong_edges_shows_it_in_its_graph_or_warns(record: dict) -> None:
    actions = draw_network(record["where"]["network"]).graph.actions
    for run in record["runs"].values():
        assert 0 <= run["mcc"] <= run["r"] + 0.01
        if run["missing"] is not None:
            learned = CausalGraph.from_edges(run["edges"], [f"v{k}" for k in range(6)], actions)
            is_promised = bool(check(learned, effects="shifts"))
            assert run["missing"] + run["extra"] == 0 or run["warnings"] or not is_promised


def test_a_failure_of_the_program_is_reported_in_one_line() -> None:
    with pytest.raises(RuntimeError, match=r"^SERGIO failed: \w+Error: .*$"):
        simulate(draw_network(0), 1, 0, {"no_such_argument": 1.0}, copies=1)


@needs_sergio
def test_regulators_have_the_moments_of_the_stochastic_differential_equation() -> None:
    network = draw_network(training_seed(1))
    cells = simulate(network, 10, training_seed(2), TECHNICAL["dropout"], noise=0.3, copies=20)
    assert cells.counts.shape == cells.clean.shape == (13 * 200, 80)
    assert cells.actions.sum(0).tolist() == [200] * 12
    assert (cells.counts == np.floor(cells.counts)).all()
    condition = (cells.actions @ np.arange(1, 13)).astype(int)
    for k in range(13):
        # production equals decay at the mean; noise of both has the variance noise^2 mean
        expected = network.rates[:, k] / 0.8
        rows = cells.regulators[condition == k]
        # 20 independent trajectories or more
        error = 0.3 * np.sqrt(expected / 20)
        assert (np.abs(rows.mean(0) - expected) < 5 * error).all()
        np.testing.assert_allclose(rows.var(0), 0.09 * expected, rtol=0.8)


@needs_sergio
def test_storing_faster_changes_nothing() -> None:
    network = draw_network(training_seed(4))
    fast, original = (
        simulate(network, 3, training_seed(5), TECHNICAL["library"], copies=1, fast=fast)
        for fast in (True, False)
    )
    np.testing.assert_allclose(fast.clean, original.clean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fast.regulators, original.regulators, rtol=1e-4, atol=1e-4)
    assert np.mean(fast.counts != original.counts) < 0.01
    again = simulate(network, 3, training_seed(5), TECHNICAL["library"], copies=1)
    other = simulate(network, 3, training_seed(6), TECHNICAL["library"], copies=1)
    assert np.array_equal(again.counts, fast.counts)
    assert not np.array_equal(other.counts, fast.counts)
