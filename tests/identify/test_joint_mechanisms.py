"""Joint influence of densities."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from identify.exceptions import RequestError
from identify.influence import check_influence, check_joint, check_joint_mechanisms
from identify.mechanisms import Mechanisms, gaussian

RNG = np.random.default_rng(0)


def on_off(effects: np.ndarray, variance: int = 1) -> Mechanisms:
    """Return Gaussian latents whose means are sums of the effects of on/off interventions."""
    n, m = effects.shape
    latents, actions = sympy.symbols(f"z0:{n}"), sympy.symbols(f"a0:{m}")
    means = [sum(int(effects[i, k]) * actions[k] for k in range(m)) for i in range(n)]
    densities = [gaussian(z, mean, variance) for z, mean in zip(latents, means, strict=True)]
    return Mechanisms(latents, densities, actions, action_values=dict.fromkeys(actions, (0, 1)))


@pytest.mark.parametrize("m", [4, 8])
def test_shifts_are_decided_as_numbers(m: int) -> None:
    effects = RNG.integers(-3, 4, size=(3, m)) * (RNG.random((3, m)) < 0.6)
    joint, numbers = check_joint_mechanisms(on_off(effects)), check_joint(list(effects.T))
    assert (joint.status, joint.n_fewer, joint.weights) == (numbers.status, numbers.n_fewer, numbers.weights)
    assert (joint.entanglement == numbers.entanglement).all()
    assert joint.exact
    assert joint.certificate is not None
    assert joint.certificate.verify()
    assert joint.reason.startswith("at z0 = ")


def test_what_fails_per_action_may_hold_together() -> None:
    mechanisms = on_off(np.array([[1, 1, 1, 0, 0], [2, 0, 0, 1, 1]]))
    assert check_influence(mechanisms).actions["a0"].status == "fails"
    assert check_joint_mechanisms(mechanisms)


def test_continuous_actions_span_what_their_derivatives_do() -> None:
    """A linear effect is one direction, a nonlinear one gives two: then the actions need not work together."""
    z, a, b = sympy.symbols("z0:2"), sympy.Symbol("a"), sympy.Symbol("b")
    linear = Mechanisms(z, [gaussian(z[0], a), gaussian(z[1], 2 * a + b)], [a, b])
    joint = check_joint_mechanisms(linear)
    assert (joint.status, joint.weights) == ("fails", (1, 2))
    assert joint.directions[0].coefficients == (2, -1)
    curved = Mechanisms(z, [gaussian(z[0], a), gaussian(z[1], a**2 + b)], [a, b])
    assert check_joint_mechanisms(curved).disentangled.tolist() == [False, True]
    assert check_joint_mechanisms(curved).n_fewer == 0


def test_irrational_effects_give_numerical_evidence() -> None:
    z, a, b = sympy.symbols("z0:2"), sympy.Symbol("a"), sympy.Symbol("b")
    mechanisms = Mechanisms(
        z,
        [gaussian(z[0], a), gaussian(z[1], sympy.sqrt(2) * a + b)],
        [a, b],
        action_values={a: (0, 1), b: (0, 1)},
    )
    joint = check_joint_mechanisms(mechanisms)
    assert joint.status == "fails"
    assert not joint.exact
    assert joint.certificate is None


def test_bad_and_hard_requests() -> None:
    mechanisms = on_off(np.array([[1, 1], [1, 0]]))
    with pytest.raises(RequestError, match="seconds is 0"):
        check_joint_mechanisms(mechanisms, time_limit=0)
    none = check_joint_mechanisms(on_off(np.zeros((2, 1), dtype=int)))
    assert none.status == "fails"
    assert none.entanglement is not None
    assert none.entanglement.all()
