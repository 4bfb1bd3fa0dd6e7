"""Mechanisms on which sympy would work for hours or fail: limits are checked before the work and hold during it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy

from identify.exceptions import FormatError, MechanismError, RequestError, UndecidedError
from identify.influence import check_influence
from identify.mechanisms import Mechanisms, gaussian, mixture, read_mechanisms, student_t
from identify.proof import vanishing
from identify.proof.substitution import TooLargeError
from identify.proof.vanishing import vanishes

Captured = pytest.CaptureFixture[str]
z, a, b = sympy.symbols("z a b", real=True)


def model(formula: str, values: str = "", name: str = "z0") -> str:
    text = f'latents = ["{name}"]\nactions = ["a0", "a1"]\n[log_densities]\n"{name}" = "{formula}"\n'
    return text + (f"[action_values]\na0 = {values}\n" if values else "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.toml"


REFUSED = [
    ("gaussian(z0, gamma(10**9) * a0)", "gamma of 1000000000 is too large; its argument may be at most 10,000"),
    ("gaussian(z0, gamma(1e7) * a0)", "gamma of 10000000 is too large"),
    ("gaussian(z0, loggamma(-1e9))", "loggamma of -1000000000 is too large"),
    ("gaussian(z0, gamma(gamma(20)))", "gamma of 121645100408832000 is too large"),
    ("gaussian(z0, (2**1000)**1000)", "to the power 1000 is too large"),
    ("gaussian(z0, (1e300)**1000 * a0)", "to the power 1000 is too large"),
    ("gaussian(z0, a0 * 0x" + "f" * 9000 + ")", "an integer of 36000 bits is too large a number for a formula"),
    ("gaussian(z0, a0 * " + "1" * 4500 + ")", "is not a valid formula: Exceeds the limit"),
    ("gaussian(z0, exp(10**9 * log(1 + a0**2 / 3)))", "the exponent 1000000000 is too large; the limit is 100,000"),
    ("mixture([1, 1], [student_t(z0, a0, 1, 10**9), gaussian(z0, a1)])", "the exponent -1000000001/2 is too"),
    ("gaussian(z0, Max(1, sqrt(-1)))", "is not a valid formula: The argument 'I' is not comparable"),
    ("gaussian(z0, Min(a0, sqrt(-2)))", "is not comparable"),
    ("gaussian(z0, sign(a0 < 1))", "sign takes numbers, not a comparison"),
    ("gaussian(z0, exp(1 < 2))", "exp takes numbers, not a comparison"),
    ("gaussian(z0, " + "sqrt(" * 210 + "a0" + ")" * 210 + ")", "is not a valid formula"),
    ("gaussian(z0, " + "-" * 300 + "a0)", "it is nested too deeply; the limit is 200 levels"),
    ("gaussian(z0, 1e999)", "is not a valid formula"),
    ("student_t(z0, a0, 1, sinh(1e6)**2)", "the freedom is sinh(1000000)**2; it must be below 2**15000"),
    ("laplace(z0, a0, 0)", "m.toml: the scale is 0; it must be positive"),
    ("gaussian(z0, exp(exp(10**300)))", "sympy fails on a log-density ("),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "message"), REFUSED, ids=lambda text: text[:30])
def test_too_large_formulas_are_refused_before_sympy_evaluates_them(
    formula: str, message: str, file: Path
) -> None:
    file.write_text(model(formula), encoding="utf-8")
    with pytest.raises((FormatError, RequestError)) as caught:
        read_mechanisms(file)
    assert message in str(caught.value)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("[0, nan]", "nan among the action_values is not a finite number"),
        ("[-inf, 1]", "-inf among the action_values is not a finite number"),
        ("[0, " + "1" * 4500 + "]", "contains a number of thousands of digits"),
        ("[0, 0x" + "f" * 9000 + "]", "an integer of 36000 bits among the action_values is too large"),
    ],
    ids=lambda text: text[:12],
)
def test_action_values_must_be_finite_numbers(values: str, message: str, file: Path) -> None:
    file.write_text(model("gaussian(z0, a0)", values), encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        read_mechanisms(file)


def test_long_numbers_up_to_the_limit_of_python_are_parsed(file: Path) -> None:
    digits = "1" * 4300
    file.write_text(model(f"gaussian(z0, {digits} * a0)", f"[0, {digits}, -1e308]"), encoding="utf-8")
    values = read_mechanisms(file).action_values
    assert [value[1] for value in values.values()] == [int(digits)]


@pytest.mark.parametrize("formula", ["2**a0", "a0**a0", "gamma(a0)", "loggamma(a0)", "(1 + a0**9)**a0"])
def test_a_value_that_makes_a_formula_too_large_is_refused(formula: str, file: Path) -> None:
    file.write_text(model(f"gaussian(z0, {formula})", "[1, 1000000000]"), encoding="utf-8")
    with pytest.raises(MechanismError, match=r"in the density of z0, .* too large a number where a0 is"):
        read_mechanisms(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], "q", sympy.pi])
def test_values_of_actions_from_python_are_rational_numbers(value: object) -> None:
    with pytest.raises(MechanismError, match="the values of a must be rational numbers, got"):
        Mechanisms([z], [gaussian(z, a)], [a], action_values={a: [0, value]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a = " + "[" * 100_000, "is nested too deeply"),
        ('latents = ["z0"]\n[log_densities]\nz0 = {a = 1}', "the formula of z0 is {'a': 1}; it must be text"),
        (
            'latents = ["µ", "μ"]\n[log_densities]\n"µ" = "1"\n"μ" = "1"',
            "the names 'µ' and 'μ' are the same in a formula; rename one",
        ),
    ],
    ids=["nested", "no text", "twice"],
)
def test_malformed_files_are_refused_in_one_line(content: str, message: str, file: Path) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read_mechanisms(file)
    assert message in str(caught.value)


def test_a_byte_order_mark_is_skipped(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + model("gaussian(z0, a0)").encode())
    assert read_mechanisms(file).graph.edges() == [("a0", "z0")]


@pytest.mark.parametrize("name", ["µ", "ﬁ", "E", "pi", "sin"])
def test_names_are_normalised_as_in_python(name: str, file: Path) -> None:
    file.write_text(model(f"gaussian({name}, a0)", name=name), encoding="utf-8")
    graph = read_mechanisms(file).graph
    assert graph.latents == (name,)
    assert graph.edges() == [("a0", name)]


@pytest.mark.parametrize(
    "formula",
    [
        "gaussian(z0, " + "**".join(["a0"] * 8) + ")",
        "gaussian(z0, " + " + ".join(f"a0**{k}" for k in range(2, 102)) + ")",
        "-(a0 + z0 + 1)**998",
        "student_t(z0, a0, 1, 10**9)",
        "gaussian(z0, " + "sqrt(" * 60 + "a0**2 + 1" + ")" * 60 + ")",
    ],
    ids=lambda text: text[:25],
)
def test_large_but_tractable_formulas_are_decided(formula: str, file: Path) -> None:
    file.write_text(model(formula), encoding="utf-8")
    influence = check_influence(read_mechanisms(file)).actions["a0"]
    assert influence
    assert influence.certificate is not None
    assert influence.certificate.verify()


def test_students_normaliser_for_many_degrees_of_freedom_is_a_number() -> None:
    normaliser = student_t(z, 0, 1, 10**9).subs(z, 0)
    assert not normaliser.has(sympy.loggamma, sympy.gamma)
    # the normaliser of a normal distribution, up to 1 / (4 degrees)
    expected = -sympy.log(2 * sympy.pi) / 2 - sympy.Rational(1, 4 * 10**9)
    assert abs(sympy.N(normaliser - expected, 40)) < 1e-18


# Limits of time --------------------------------------------------------------------------------------


def test_causes_are_undecided_after_the_time_limit() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, sympy.sin(a) + b)], [a, b])
    report = check_influence(mechanisms, time_limit=1e-9)
    assert [influence.status for influence in report.all] == ["undecided", "undecided"]
    assert "the time limit for all causes passed" in report.actions["a"].reason
    with pytest.raises(UndecidedError, match="belongs to an exponential family is undecided"):
        check_influence(mechanisms, "exponential", time_limit=1e-9)
    assert check_influence(mechanisms, time_limit=60)


def test_reading_has_a_time_limit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(model("gaussian(z0, a0)"), encoding="utf-8")

    def run_forever(*_: object) -> None:
        while True:
            sum(range(100))

    monkeypatch.setattr("identify.mechanisms.files.parse_formula", run_forever)
    with pytest.raises(
        UndecidedError, match=r"took longer than 0.1 s; allow more time, or write simpler formulas"
    ):
        read_mechanisms(file, 0.1)
    with pytest.raises(RequestError, match="it is a time limit"):
        read_mechanisms(file, 0)


@pytest.mark.parametrize("error", [OverflowError, RecursionError, MemoryError, NotImplementedError])
def test_failures_of_sympy_leave_the_answer_undecided(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(expression: object) -> None:
        raise error

    monkeypatch.setattr(vanishing, "refute", fail)
    assert vanishes(a).reason == f"sympy fails on it ({error.__name__})"
    with pytest.raises(UndecidedError, match=f"sympy fails on it .{error.__name__}"):
        _ = Mechanisms([z], [gaussian(z, a)], [a]).graph


# Numbers that would fill the memory -------------------------------------------------------------------


def test_densities_with_huge_powers_are_refused() -> None:
    with pytest.raises(MechanismError, match="in the density of z, the exponent 1000000 is too large"):
        Mechanisms([z], [-(z**1_000_000) * a], [a])
    with pytest.raises(TooLargeError, match="the exponent"):
        mixture([1], [student_t(z, a, 1, 10**9)])
