"""Mechanisms: densities against scipy, the graph that they imply, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sympy

from identify.exceptions import FileAccessError, FormatError, MechanismError, RequestError, UndecidedError
from identify.mechanisms import (
    Mechanisms,
    exponential_family,
    gaussian,
    laplace,
    logistic,
    mixture,
    natural_form,
    read_mechanisms,
    sample_points,
    student_t,
)
from identify.mechanisms.formulas import parse_formula

z, a, b = sympy.symbols("z a b")
z0, z1, p0, p1, q0, q1 = sympy.symbols("z0 z1 p0 p1 q0 q1")

DENSITIES = [
    (gaussian(z, 1.5, 4), scipy.stats.norm(1.5, 2)),
    (laplace(z, -1, 0.5), scipy.stats.laplace(-1, 0.5)),
    (logistic(z, 0.3, 2), scipy.stats.logistic(0.3, 2)),
    (student_t(z, 1, 0.7, 5), scipy.stats.t(5, 1, 0.7)),
]


@pytest.mark.parametrize(("density", "known"), DENSITIES, ids=lambda value: str(value)[:40])
def test_densities_agree_with_scipy(density: sympy.Expr, known: Any) -> None:
    for value in (-2.3, 0.1, 1.7):
        assert float(density.subs(z, value)) == pytest.approx(known.logpdf(value), rel=1e-9)


def test_a_mixture_is_a_weighted_sum() -> None:
    density = mixture([0.25, 0.75], [gaussian(z, -1), laplace(z, 2)])
    expected = 0.25 * scipy.stats.norm(-1).pdf(0.4) + 0.75 * scipy.stats.laplace(2).pdf(0.4)
    assert float(sympy.exp(density.subs(z, 0.4))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gaussian(z, 0, -1), "the variance is -1; it must be positive"),
        (lambda: laplace(z, 0, 0), "the scale is 0; it must be positive"),
        (lambda: student_t(z, 0, 1, -2), "the freedom is -2"),
        (lambda: exponential_family(z, [z], []), "1 statistics and 0 natural parameters"),
        (lambda: exponential_family(z, [z * a], [1]), r"the statistic a\*z must be a function of z alone"),
        (lambda: exponential_family(z, [z], [z]), "the natural parameter z must not contain z"),
        (lambda: mixture([1], []), "1 weights for 0 log-densities"),
        (lambda: mixture([-1], [gaussian(z, 0)]), "the weight is -1"),
    ],
)
def test_impossible_densities_are_refused(make: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        make()


def test_the_graph_is_read_off_the_scores() -> None:
    densities = [
        gaussian(z0, sympy.sin(a) ** 2 + sympy.cos(a) ** 2 + p0),
        # the action moves the variance and the constant depends on b; only the former is an edge
        gaussian(z1, p1 * q0, sympy.exp(a)) + sympy.log(1 + b**2),
    ]
    mechanisms = Mechanisms([z0, z1], densities, [a, b], [[p0, p1], [q0, q1]])
    assert mechanisms.graph.Ga.toarray().astype(int).tolist() == [[0, 0], [1, 0]]
    assert mechanisms.graph.Gz.toarray().astype(int).tolist() == [[1, 0], [1, 1]]
    assert mechanisms.lag_edges(1) == [(0, 0), (1, 1)]
    assert mechanisms.lag_edges(2) == [(1, 0)]
    assert mechanisms.graph.latents == ("z0", "z1")
    assert repr(mechanisms) == "Mechanisms(2 latents, 2 actions, 2 lags)"


def test_discrete_actions_act_through_their_values() -> None:
    density = gaussian(z, a * (a - 1))
    assert Mechanisms([z], [density], [a]).graph.Ga.nnz == 1
    assert Mechanisms([z], [density], [a], action_values={a: [0, 1]}).graph.Ga.nnz == 0
    assert Mechanisms([z], [density], [a], action_values={a: [0, 1, 2]}).graph.Ga.nnz == 1


def test_an_undecided_edge_is_named() -> None:
    unknown = sympy.Function("f")(a)
    mechanisms = Mechanisms([z], [gaussian(z, unknown)], [a])
    with pytest.raises(UndecidedError, match="whether a acts on z is undecided"):
        _ = mechanisms.graph


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "there are no latents"),
        ((["z"], [1]), "'z' among the latents is not a sympy symbol"),
        (([z0, z1], [gaussian(z0, 0)]), "1 log-densities for 2 latents"),
        (
            ([z0, z1], [gaussian(z0, z1), gaussian(z1, 0)]),
            "the density of z0 uses z1, another latent of the same step",
        ),
        (([z0], [gaussian(z0, a)]), "the density of z0 uses the unknown symbol a"),
        (([z0], [a], [a]), "the log-density of z0 does not contain z0"),
        (([z0], [sympy.I * z0]), "the log-density of z0 .* is not real"),
        (([z0], ["z0"]), "the log-density of z0 \\('z0'\\) is not a sympy expression"),
        (([z0], [sympy.log(z0 - z0**2 - 1)]), "is not real and finite at any of 12 points"),
        (([z0], [gaussian(z0, a)], [a], [p0, p1]), "lag 1 has 2 symbols for 1 latents"),
        (([z0], [gaussian(z0, 1)], [z0]), "two symbols have the name 'z0'"),
        (
            ([z0], [gaussian(z0, 1 / a)], [a], (), {a: [0, 1]}),
            "the density of z0 is not defined where a is 0",
        ),
        (([z0], [gaussian(z0, a)], [a], (), {b: [0, 1]}), "action_values names b, which is not an action"),
        (([z0], [gaussian(z0, a)], [a], (), {a: [1, 1]}), "a has 1 distinct values"),
        (([z0], [gaussian(z0, a)], [a], (), {a: [1, b]}), "the values of a must be rational numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_models_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(MechanismError, match=message):
        Mechanisms(*arguments)


def test_points_take_every_combination_of_values() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, a * b)], [a, b], action_values={a: [0, 1], b: [0, 1, 2]})
    drawn = {
        tuple(point[s] for s in mechanisms.actions)
        for point in sample_points(mechanisms, mechanisms.actions, 60)
    }
    assert len(drawn) == 6


@pytest.mark.parametrize(
    ("density", "n_parameters"),
    [
        (gaussian(z, a), 1),
        (gaussian(z, a, 1 + b**2), 2),
        (exponential_family(z, [sympy.log(1 + z**2), z**4], [a, b]), 2),
        (exponential_family(z, [z**2], [-1]), 0),
    ],
    ids=str,
)
def test_natural_forms(density: sympy.Expr, n_parameters: int) -> None:
    score = sympy.diff(density, z)
    form = natural_form(score, z, 10)
    assert form is not None
    assert len(form.parameters) == n_parameters
    recombined = sum(s * t for s, t in zip(form.derivatives, form.parameters, strict=True))
    # the remaining terms do not depend on the conditions
    assert sympy.simplify(sympy.diff(score - recombined, a)) == 0
    assert sympy.simplify(sympy.diff(score - recombined, b)) == 0


def test_other_densities_have_no_natural_form() -> None:
    assert natural_form(sympy.diff(logistic(z, a), z), z, 5) is None


SYMBOLS = {name: sympy.Symbol(name, real=True) for name in ("z0", "z1", "dose", "p0", "p1")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/3 + 0.1", sympy.Rational(13, 30)),
        ("-sin(dose)**2 * pi", -sympy.sin(SYMBOLS["dose"]) ** 2 * sympy.pi),
        ("abs(p0) if p0 < 1 else E", sympy.Piecewise((sympy.Abs(SYMBOLS["p0"]), SYMBOLS["p0"] < 1), (sympy.E, True))),
        ("gaussian(z0, dose)", gaussian(SYMBOLS["z0"], SYMBOLS["dose"])),
        ("mixture([1, 2], [gaussian(z0, 0), gaussian(z0, dose)])",
         mixture([1, 2], [gaussian(SYMBOLS["z0"], 0), gaussian(SYMBOLS["z0"], SYMBOLS["dose"])])),
    ],
)  # fmt: skip
def test_formulas_are_parsed(text: str, expected: sympy.Expr) -> None:
    assert parse_formula(text, SYMBOLS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 +", "is not a valid formula"),
        ("q + 1", "the formula names 'q'"),
        ("dose.real", "can't be part of a formula"),
        ("().__class__", "can't be part of a formula"),
        ("[1][0]", "can't be part of a formula"),
        ("__import__('os')", "there is no function '__import__'"),
        ("sin(dose, 2)", "is not a valid formula"),
        ("lambda: 0", "can't be part of a formula"),
        ("'text'", "can't be part of a formula"),
        ("True", "True is not a number"),
        ("2**100000", "the exponent 100000 is too large"),
        ("(" * 500 + "1" + ")" * 500, "is not a valid formula"),
        ("1" * 30_000, "a formula of 30,000 characters is too long"),
    ],
    ids=lambda text: text[:20],
)
def test_invalid_formulas_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_formula(text, SYMBOLS)


TOML = """
latents = ["z0", "z1"]
actions = ["dose"]
past = ["p0", "p1"]

[log_densities]
z0 = "gaussian(z0, p0 + sin(dose))"
z1 = "gaussian(z1, p1 * dose, 0.01)"

[action_values]
dose = [0, 1, 2.5]
"""


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(TOML, encoding="utf-8")
    mechanisms = read_mechanisms(path)
    assert mechanisms.graph.edges() == [("z0", "z0"), ("z1", "z1"), ("dose", "z0"), ("dose", "z1")]
    assert list(mechanisms.action_values.values()) == [(0, 1, sympy.Rational(5, 2))]
    path.write_text(TOML.replace('["p0", "p1"]', '[["p0", "p1"], ["q0", "q1"]]'), encoding="utf-8")
    assert len(read_mechanisms(path).past) == 2


def test_a_python_file_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "import sympy\nfrom identify.mechanisms import Mechanisms, gaussian\n"
        "z, a = sympy.symbols('z a')\nmechanisms = Mechanisms([z], [gaussian(z, a)], [a])\n",
        encoding="utf-8",
    )
    assert read_mechanisms(path).graph.edges() == [("a", "z")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.txt", "", "mechanisms are read from .toml or .py files, not from .txt"),
        ("m.toml", "latents = ", "is not valid TOML"),
        ("m.toml", 'latent = ["z0"]', "has the unknown key 'latent'"),
        ("m.toml", 'latents = "z0"', "latents must be a list of names"),
        ("m.toml", 'latents = ["z 0"]', "latents must be a list of names"),
        ("m.toml", TOML.replace("z1 =", "z2 ="), "must contain one formula for each latent"),
        ("m.toml", TOML.replace("sin(dose)", "sin(dosis)"), "m.toml: the formula names 'dosis'"),
        ("m.toml", TOML.replace("dose = [0", "dosis = [0"), "action_values names 'dosis'"),
        (
            "m.toml",
            TOML.replace("[0, 1, 2.5]", "[true, 1]"),
            "True among the action_values is not a finite number",
        ),
        ("m.toml", TOML.replace("[0, 1, 2.5]", "3"), "must contain lists of numbers"),
        ("m.toml", TOML.replace("p0 + sin", "z1 + sin"), "m.toml: the density of z0 uses z1"),
        ("m.py", "1 / 0", r"running it failed \(ZeroDivisionError: division by zero\)"),
        ("m.py", "mechanisms = 3", "does not set the variable 'mechanisms'"),
    ],
    ids=lambda text: text[-25:],
)
def test_invalid_files_are_refused_in_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises((FormatError, MechanismError), match=message) as caught:
        read_mechanisms(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        read_mechanisms(tmp_path / "none.py")


def test_scores_are_derivatives() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, a, 2)], [a])
    value = dict(zip((*mechanisms.latents, *mechanisms.actions), (0.3, 1.1), strict=True))
    step = 1e-6
    low, high = ({**value, mechanisms.latents[0]: 0.3 + s} for s in (-step, step))
    slope = (mechanisms.log_densities[0].subs(high) - mechanisms.log_densities[0].subs(low)) / (2 * step)
    np.testing.assert_allclose(float(mechanisms.scores[0].subs(value)), float(slope), rtol=1e-6)
