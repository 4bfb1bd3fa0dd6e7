"""Published data, row by row, and simulated data, compared with their process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.exceptions import ConfigError
from estimation.simulate import published, simulate
from estimation.simulate.decoders import Balls, LeakyMLP, Polynomial
from estimation.simulate.mechanisms import Mechanism, from_sympy, interventions, linear, sines
from identify.catalog import load
from identify.graph import CausalGraph
from tests.seeds import training_seed

ROWS = np.load(Path(__file__).parents[2] / "data" / "published_rows.npz")
SETS = sorted({key.split("/")[0] for key in ROWS})


def request(key: str) -> dict[str, object]:
    name, *rest = key.split("_density")
    if not rest:
        return {"name": name}
    density, seed = rest[0].split("_seed")
    return {"name": name, "density": float(density), "graph_seed": int(seed)}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("key", SETS)
def test_published_rows(key: str, split: str) -> None:
    dataset = published(**request(key), n_samples={"train": 1600, "test": 200}[split], split=split)
    for letter, values in (("x", dataset.observations), ("z", dataset.latents), ("a", dataset.actions)):
        if f"{key}/{split}/{letter}" not in ROWS:
            assert values is None
            continue
        rows = ROWS[f"{key}/{split}/{letter}"]
        np.testing.assert_allclose(values[:5].reshape(rows.shape), rows, atol=2e-6)
        if letter != "a":
            assert np.abs(values).mean() == pytest.approx(ROWS[f"{key}/{split}/{letter}_mean_abs"], abs=1e-6)
    graph = dataset.graph.Gz if dataset.observations.shape[1] == 2 else dataset.graph.Ga
    np.testing.assert_array_equal(graph.toarray(), ROWS[f"{key}/graph"])


def test_published_splits_share_their_first_actions_and_simulated_ones_do_not() -> None:
    first, second = published("ActionDiag", 10), published("ActionDiag", 10, "test")
    np.testing.assert_array_equal(first.actions, second.actions)
    assert not np.array_equal(first.latents, second.latents)
    first, second = (
        simulate("ActionDiag", 10, seed=training_seed()),
        simulate("ActionDiag", 10, split="test", seed=training_seed()),
    )
    assert not np.array_equal(first.actions, second.actions)


@pytest.mark.parametrize(
    "name", ["ActionBlockDiag", "TimeNonDiag", "ActionNonDiag_VarDep", "TimeNonDiag_NoSuffInf"]
)
def test_the_decoder_makes_the_observations(name: str) -> None:
    data = simulate(name, 200, seed=training_seed(3), noise=0.0)
    with torch.no_grad():
        decoded = data.decoder(torch.from_numpy(data.latents)).numpy()
    np.testing.assert_allclose(decoded, data.observations, atol=1e-5)


def test_the_seed_fixes_the_process_and_the_split_the_samples() -> None:
    train, again, test, other = (
        simulate("TimeNonDiag", 50, seed=training_seed(1)),
        simulate("TimeNonDiag", 50, seed=training_seed(1)),
        simulate("TimeNonDiag", 50, seed=training_seed(1), split="test"),
        simulate("TimeNonDiag", 50, seed=training_seed(2)),
    )
    np.testing.assert_array_equal(train.observations, again.observations)
    assert not np.array_equal(train.latents, test.latents)
    z = torch.randn(5, 10, generator=torch.Generator().manual_seed(training_seed()))
    torch.testing.assert_close(train.decoder(z), test.decoder(z), rtol=0, atol=0)
    assert not torch.allclose(train.decoder(z), other.decoder(z))


def test_observations_are_standardised() -> None:
    data = simulate(CausalGraph(Gz=np.eye(3), Ga=np.eye(3)), 5000, seed=training_seed(4))
    flat = data.observations.reshape(-1, 6)
    np.testing.assert_allclose(flat.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(flat.std(0), 1, atol=0.1)


@st.composite
def graphs(draw: st.DrawFn) -> CausalGraph:
    n, m = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    bits = draw(st.lists(st.booleans(), min_size=n * (n + m), max_size=n * (n + m)))
    matrix = np.array(bits, dtype=bool).reshape(n, n + m)
    return CausalGraph(Gz=matrix[:, :n], Ga=matrix[:, n:])


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 1000))
def test_a_mechanism_depends_on_its_parents_only(graph: CausalGraph, seed: int) -> None:
    rng = np.random.default_rng(training_seed(seed))
    mechanism = sines(graph, generator=rng)
    n, m = graph.n_latents, graph.n_actions
    past, actions = rng.normal(size=(4, n)), rng.normal(size=(4, m)) if m else None
    before = mechanism.mean(past, actions)
    for parent in range(n):
        moved = past.copy()
        moved[:, parent] += 1
        children = (np.abs(mechanism.mean(moved, actions) - before) > 1e-12).any(0)
        # a latent also keeps its own past value
        allowed = graph.Gz.toarray()[:, parent] | (np.arange(n) == parent)
        assert not (children & ~allowed).any()
    for parent in range(m):
        moved = actions.copy()
        moved[:, parent] += 1
        children = (np.abs(mechanism.mean(past, moved) - before) > 1e-12).any(0)
        assert not (children & ~graph.Ga.toarray()[:, parent]).any()


@pytest.mark.parametrize(
    "decoder",
    [
        LeakyMLP([4, 8, 8], np.random.default_rng(training_seed())),
        Polynomial(4, 9, np.random.default_rng(training_seed())),
        Balls(4, size=16),
    ],
    ids=["mlp", "polynomial", "balls"],
)
def test_decoders_are_injective_where_the_latents_live(decoder: torch.nn.Module) -> None:
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(training_seed(1)))
    jacobians = torch.func.vmap(torch.func.jacfwd(lambda q: decoder(q[None])[0]))(z)
    assert (torch.linalg.svdvals(jacobians)[:, -1] > 1e-3).all()
    distances = torch.cdist(decoder(z), decoder(z))
    assert (distances + 10 * torch.eye(50)).min() > 1e-2


def test_images_of_balls() -> None:
    data = simulate(CausalGraph(Ga=np.eye(4)), 20, decoder="balls", seed=training_seed())
    assert data.observation_shape == (3, 32, 32)
    assert data.observations.shape == (20, 1, 3072)


def test_longer_sequences_with_actions() -> None:
    graph = CausalGraph(Gz=np.eye(2), Ga=[[1], [0]])
    data = simulate(graph, 30, n_steps=5, seed=training_seed())
    assert data.observations.shape == (30, 5, 4)
    assert data.actions.shape == (30, 4, 1)
    assert data.windows(2).observations.shape == (120, 2, 4)


def test_interventions_shift_their_targets_only() -> None:
    graph = CausalGraph(Ga=[[1, 0], [1, 1], [0, 0]])
    data = simulate(graph, 40_000, seed=training_seed(2), actions="interventions")
    assert set(data.actions.sum(1)) == {0, 1}
    calm = data.latents[data.actions.sum(1) == 0, 0].mean(0)
    for action in range(2):
        shift = data.latents[data.actions[:, action] == 1, 0].mean(0) - calm
        np.testing.assert_array_equal(np.abs(shift) > 0.5, graph.Ga.toarray()[:, action])


def test_a_mechanism_in_sympy() -> None:
    z, a = sympy.symbols("z0:2"), sympy.symbols("a0:1")
    graph = CausalGraph(Gz=[[1, 0], [1, 1]], Ga=[[1], [0]])
    mechanism = from_sympy(graph, [z[0] / 2 + a[0], z[0] * z[1]], past=z, actions=a, variances=1e-12)
    data = simulate(graph, 100, mechanism=mechanism, seed=training_seed())
    before, after = data.latents[:, 0], data.latents[:, 1]
    np.testing.assert_allclose(after[:, 0], before[:, 0] / 2 + data.actions[:, 0], atol=1e-4)
    np.testing.assert_allclose(after[:, 1], before[:, 0] * before[:, 1], atol=1e-4)


def test_a_linear_mechanism_is_linear() -> None:
    graph = load("ActionNonDiag")
    mechanism = linear(graph, np.ones((10, 10)))
    a = np.random.default_rng(training_seed()).normal(size=(5, 10))
    np.testing.assert_allclose(mechanism.mean(None, 2 * a), 2 * mechanism.mean(None, a))


GRAPH = CausalGraph(Ga=np.eye(3))
TIME = CausalGraph(Gz=np.eye(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published("Nothing", 5), "no published process is called 'Nothing'; they are ActionDiag"),
        (lambda: published("ActionDiag", 0), "n_samples is 0; give 1 or more"),
        (lambda: published("ActionDiag", 5, "dev"), "the split is 'dev'; it is one of train, valid, test"),
        (
            lambda: published("ActionDiag", 5, density=0.1),
            "ActionDiag needs no density and graph_seed, got 0.1",
        ),
        (lambda: published("TimeRandom", 5), "TimeRandom needs density and graph_seed, got None and None"),
        (
            lambda: published("TimeRandom", 5, density=2, graph_seed=1),
            "density of a random graph is 2; it is a prob",
        ),
        (
            lambda: simulate(GRAPH, 5, noise=-1),
            "noise is -1; it is a standard deviation",
        ),
        (
            lambda: simulate(GRAPH, 5, n_steps=2),
            "n_steps is 2; a graph without a past has 1 step",
        ),
        (
            lambda: simulate(TIME, 5, n_steps=1),
            "n_steps is 1; a graph with a past needs 2 or more",
        ),
        (
            lambda: simulate(GRAPH, 5, decoder="cnn"),
            "no decoder is called 'cnn'; give 'mlp'",
        ),
        (
            lambda: simulate(GRAPH, 5, decoder="balls"),
            "there are 3 latents; give an even number",
        ),
        (
            lambda: simulate(GRAPH, 5, actions="gamma"),
            "actions are 'gamma'; give 'uniform'",
        ),
        (
            lambda: simulate(GRAPH, 5, actions=lambda n, rng: np.ones(n)),
            "the sampled actions have shape",
        ),
        (
            lambda: simulate(GRAPH, 5, variance=0.0),
            "the variance is 0.0; it must be positive",
        ),
        (
            lambda: simulate(GRAPH, 5, density=0.5),
            "density and graph_seed are for random graphs; this graph is given",
        ),
        (
            lambda: simulate(GRAPH, 5, mechanism=sines(TIME)),
            "the mechanism has another graph than the one given",
        ),
        (
            lambda: simulate(GRAPH, 5, n_observed=2),
            r"widths of a decoder are \[3, 2, 2, 2, 2\]",
        ),
        (
            lambda: Polynomial(3, 2, np.random.default_rng(training_seed())),
            "3 latents to 2 observed is not injective",
        ),
        (lambda: Balls(2, size=4), "an image of 4 pixels is too small"),
        (lambda: linear(GRAPH, np.ones(3)), r"coefficients have shape \(3,\); this graph needs \(3, 3\)"),
        (lambda: from_sympy(GRAPH, [0]), "1 means given; this graph needs 3"),
        (
            lambda: from_sympy(GRAPH, [sympy.Symbol("b"), 0, 0], actions=sympy.symbols("a b c")),
            "the expression of z0 uses b, which is not a parent of it",
        ),
        (
            lambda: simulate(
                GRAPH,
                5,
                mechanism=Mechanism(GRAPH, lambda p, a: a[:, :2], lambda p, a: a),
            ),
            r"a mechanism's mean has shape \(\d+, 2\); it must be",
        ),
        (
            lambda: simulate(
                GRAPH,
                5,
                mechanism=Mechanism(GRAPH, lambda p, a: a, lambda p, a: 0 * a - 1),
            ),
            "variance is -1 somewhere; it must be positive",
        ),
    ],
)
def test_invalid_arguments_are_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message):
        call()


def test_interventions_with_a_past_vary_with_it() -> None:
    graph = CausalGraph(Gz=np.eye(2), Ga=[[1], [1]])
    mechanism = interventions(graph, np.random.default_rng(training_seed()))
    past = np.random.default_rng(training_seed(1)).normal(size=(100, 2))
    shift = mechanism.mean(past, np.ones((100, 1))) - mechanism.mean(past, np.zeros((100, 1)))
    assert (shift.std(0) > 0.1).all()
