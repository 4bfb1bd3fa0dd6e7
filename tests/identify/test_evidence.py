"""Numerical evidence agrees with the certificates, and its text never claims to be one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

from identify.evidence import numerical_influence
from identify.exceptions import RequestError
from identify.graph import CausalGraph
from identify.influence import check_influence
from tests.identify.processes import process

BOTH = CausalGraph(Ga=[[1], [1]])
rng = np.random.default_rng(0)
LATENTS, ACTIONS = rng.normal(size=(4, 2)), rng.uniform(-2, 2, (60, 1))


def gaussian(*means: Any, variances: Any = (1, 1)) -> Any:
    def density(z: Any, past: Any, a: Any) -> Any:
        mean = np.column_stack([np.broadcast_to(f(a[:, 0]), len(a)) for f in means])
        variance = np.column_stack(
            [np.broadcast_to(v(a[:, 0]) if callable(v) else v, len(a)) for v in variances]
        )
        return -((z - mean) ** 2) / (2 * variance)

    return density


@pytest.mark.parametrize(
    ("density", "verdict"),
    [
        (gaussian(np.sin, lambda a: np.sin(2 * a)), "for"),
        (gaussian(lambda a: 2 * a, lambda a: 3 * a), "against"),
        (gaussian(np.exp, lambda a: np.exp(a + 2)), "against"),
        (gaussian(np.exp, lambda a: np.exp(2 * a)), "for"),
        (gaussian(lambda a: np.sin(a) ** 2, lambda a: np.cos(a) ** 2), "against"),
        (gaussian(np.zeros_like, np.zeros_like, variances=(np.exp, lambda a: np.exp(2 * a))), "for"),
        # too nearly dependent for the precision of the differences
        (gaussian(np.sin, lambda a: np.sin(a) + 3e-5 * a**2), "unclear"),
    ],
)
def test_known_cases_get_the_right_verdict(density: Any, verdict: str) -> None:
    evidence = numerical_influence(density, BOTH, LATENTS, ACTIONS)["a0"]
    assert evidence.verdict == verdict
    assert evidence.singular_values.shape == (4, 2)
    assert "numerical, no certificate" in str(evidence)
    assert evidence.children == ("z0", "z1")


def test_discrete_actions() -> None:
    line, curve = gaussian(lambda a: a, lambda a: 2 * a), gaussian(lambda a: a, lambda a: a**2)
    arguments = (BOTH, LATENTS, ACTIONS)
    assert numerical_influence(line, *arguments, action_values={"a0": [0, 1, 2]})["a0"].verdict == "against"
    assert numerical_influence(curve, *arguments, action_values={"a0": [0, 1, 2]})["a0"].verdict == "for"
    assert numerical_influence(curve, *arguments, action_values={"a0": [0, 1]})["a0"].verdict == "against"


def test_the_past_counts_among_the_conditions() -> None:
    def density(z: Any, past: Any, a: Any) -> Any:
        return -((z - a * past) ** 2)

    past = rng.normal(size=(60, 2))
    evidence = numerical_influence(density, BOTH, LATENTS, ACTIONS, past, action_values={"a0": [0, 1]})
    assert evidence["a0"].verdict == "for"


def test_approximate_densities_need_a_floor() -> None:
    nearly = gaussian(np.sin, lambda a: np.sin(a) + 0.02 * a**2)
    evidence = numerical_influence(nearly, BOTH, LATENTS, ACTIONS)["a0"]
    assert evidence.verdict == "for"
    assert 0.005 < evidence.relative < 0.05
    assert numerical_influence(nearly, BOTH, LATENTS, ACTIONS, floor=0.05)["a0"].verdict == "unclear"


def test_an_action_without_children_needs_nothing() -> None:
    graph = CausalGraph(Ga=[[1, 0], [1, 0]])
    density = gaussian(np.sin, np.exp)
    assert numerical_influence(density, graph, LATENTS, np.hstack([ACTIONS, ACTIONS]))["a1"].verdict == "for"


@pytest.mark.parametrize("name", ["ActionDiag", "ActionBlockDiag", "ActionNonDiag_NoSuffInf"])
def test_evidence_agrees_with_certificates(name: str) -> None:
    mechanisms = process(name)
    evaluate = sympy.lambdify(
        [*mechanisms.latents, *mechanisms.actions], list(mechanisms.log_densities), "numpy"
    )

    def density(z: Any, past: Any, a: Any) -> Any:
        return np.column_stack([np.broadcast_to(column, len(z)) for column in evaluate(*z.T, *a.T)])

    graph = mechanisms.graph
    evidence = numerical_influence(
        density,
        graph,
        rng.normal(size=(2, graph.n_latents)),
        rng.uniform(-2, 2, (80, graph.n_actions)),
        step=1e-3,
    )
    report = check_influence(mechanisms)
    verdicts = {"holds": "for", "fails": "against"}
    assert {action: answer.verdict for action, answer in evidence.items()} == {
        action: verdicts[report.actions[action].status] for action in graph.actions
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latents": np.ones((2, 3))}, r"latents have shape \(2, 3\)"),
        (
            {"latents": np.full((2, 2), np.nan)},
            "or a number that is not finite; they must be rows of 2 finite numbers",
        ),
        ({"actions": np.ones((1, 1))}, "1 conditions for the 2 children of a0"),
        ({"past": np.ones((3, 2))}, "3 rows of the past for 60 of actions"),
        ({"step": 0}, "step is 0; it must be a number above 0"),
        ({"gap": -1}, "gap is -1; it must be a number above 0"),
        ({"floor": 1}, "floor is 1; it must be from 0 to below 1"),
        ({"action_values": {"b": [0, 1]}}, "action_values names 'b'"),
        ({"log_density": lambda z, past, a: z[:, 0]}, r"the log-density returns shape \(60,\)"),
    ],
)
def test_invalid_input_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments = {
        "log_density": gaussian(np.sin, np.exp),
        "graph": BOTH,
        "latents": LATENTS,
        "actions": ACTIONS,
    }
    with pytest.raises(RequestError, match=message):
        numerical_influence(**(arguments | changes))
