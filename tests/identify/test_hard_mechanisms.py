"""Mechanisms that would keep sympy busy for hours, or make it fail: limits are checked before the work, and hold."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sympy

from estimation.commands import main
from identify.exceptions import FormatError, IdentifyError, MechanismError, RequestError, UndecidedError
from identify.influence import check_influence, isolated
from identify.influence.isolated import decide_file
from identify.influence.messages import answer_in, answer_told, error_in, error_told, graph_in, graph_told
from identify.influence.worker import Request, decide
from identify.mechanisms import Mechanisms, gaussian, mixture, read_mechanisms, student_t
from identify.proof import vanishing
from identify.proof.balls import NotEnclosedError
from identify.proof.deadline import OutOfTimeError, within
from identify.proof.substitution import TooLargeError, require_small_powers, substituted
from identify.proof.vanishing import vanishes
from identify.proof.words import in_words

Captured = pytest.CaptureFixture[str]
z, a, b = sympy.symbols("z a b", real=True)


def model(formula: str, values: str = "", name: str = "z0") -> str:
    text = f'latents = ["{name}"]\nactions = ["a0", "a1"]\n[log_densities]\n"{name}" = "{formula}"\n'
    return text + (f"[action_values]\na0 = {values}\n" if values else "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.toml"


REFUSED = [
    ("gaussian(z0, gamma(10**9) * a0)", "gamma of 1000000000 is too large a number; up to 10,000 is read"),
    ("gaussian(z0, gamma(1e7) * a0)", "gamma of 10000000 is too large a number"),
    ("gaussian(z0, loggamma(-1e9))", "loggamma of -1000000000 is too large a number"),
    ("gaussian(z0, gamma(gamma(20)))", "gamma of 121645100408832000 is too large"),
    ("gaussian(z0, (2**1000)**1000)", "to the power 1000 is too large a number"),
    ("gaussian(z0, (1e300)**1000 * a0)", "to the power 1000 is too large a number"),
    ("gaussian(z0, a0 * 0x" + "f" * 9000 + ")", "an integer of 36000 bits is too large a number for a formula"),
    ("gaussian(z0, a0 * " + "1" * 4500 + ")", "is no formula: Exceeds the limit"),
    ("gaussian(z0, exp(10**9 * log(1 + a0**2 / 3)))", "the exponent 1000000000 is too large; up to 100,000"),
    ("mixture([1, 1], [student_t(z0, a0, 1, 10**9), gaussian(z0, a1)])", "the exponent -1000000001/2 is too"),
    ("gaussian(z0, Max(1, sqrt(-1)))", "makes no sense: The argument 'I' is not comparable"),
    ("gaussian(z0, Min(a0, sqrt(-2)))", "is not comparable"),
    ("gaussian(z0, sign(a0 < 1))", "sign of a comparison makes no sense"),
    ("gaussian(z0, exp(1 < 2))", "exp of a comparison makes no sense"),
    ("gaussian(z0, " + "sqrt(" * 210 + "a0" + ")" * 210 + ")", "is no formula"),
    ("gaussian(z0, " + "-" * 300 + "a0)", "it is nested too deeply; 200 levels are read"),
    ("gaussian(z0, 1e999)", "makes no sense"),
    ("student_t(z0, a0, 1, sinh(1e6)**2)", "the freedom is sinh(1000000)**2; it must be below 2**15000"),
    ("laplace(z0, a0, 0)", "m.toml: the scale is 0; it must be positive"),
    ("gaussian(z0, exp(exp(10**300)))", "sympy fails on a log-density ("),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "message"), REFUSED, ids=lambda text: text[:30])
def test_formulas_that_are_too_large_are_refused_before_sympy_sees_them(
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
        ("[0, nan]", "nan among the action_values is no number"),
        ("[-inf, 1]", "-inf among the action_values is no number"),
        ("[0, " + "1" * 4500 + "]", "holds a number of thousands of digits"),
        ("[0, 0x" + "f" * 9000 + "]", "an integer of 36000 bits among the action_values is too large"),
    ],
    ids=lambda text: text[:12],
)
def test_action_values_that_are_no_numbers_are_refused(values: str, message: str, file: Path) -> None:
    file.write_text(model("gaussian(z0, a0)", values), encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        read_mechanisms(file)


def test_long_numbers_that_python_reads_are_read(file: Path) -> None:
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
def test_monstrous_files_get_one_line(content: str, message: str, file: Path) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read_mechanisms(file)
    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_file(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + model("gaussian(z0, a0)").encode())
    assert read_mechanisms(file).graph.edges() == [("a0", "z0")]


@pytest.mark.parametrize("name", ["µ", "ﬁ", "E", "pi", "sin"])
def test_names_are_compared_as_python_reads_them(name: str, file: Path) -> None:
    file.write_text(model(f"gaussian({name}, a0)", name=name), encoding="utf-8")
    found = read_mechanisms(file).graph
    assert found.latents == (name,)
    assert found.edges() == [("a0", name)]


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
def test_large_formulas_that_are_no_trouble_are_decided(formula: str, file: Path) -> None:
    file.write_text(model(formula), encoding="utf-8")
    found = check_influence(read_mechanisms(file)).actions["a0"]
    assert found
    assert found.certificate is not None
    assert found.certificate.verify()


def test_students_normaliser_of_many_degrees_is_a_number() -> None:
    normaliser = student_t(z, 0, 1, 10**9).subs(z, 0)
    assert not normaliser.has(sympy.loggamma, sympy.gamma)
    # as of a normal distribution, but for 1 / (4 degrees)
    expected = -sympy.log(2 * sympy.pi) / 2 - sympy.Rational(1, 4 * 10**9)
    assert abs(sympy.N(normaliser - expected, 40)) < 1e-18


# Limits of time --------------------------------------------------------------------------------------


def forever() -> None:
    while True:
        sum(range(100))


def test_the_earlier_of_nested_limits_counts() -> None:
    with pytest.raises(OutOfTimeError):
        within(0.05, lambda: within(60, forever))
    with pytest.raises(OutOfTimeError):
        within(60, lambda: within(0.05, forever))

    # after an inner limit the outer one still holds
    def outer() -> None:
        with pytest.raises(OutOfTimeError):
            within(0.02, forever)
        forever()

    with pytest.raises(OutOfTimeError):
        within(0.2, outer)
    assert within(60, lambda: 3) == 3


def test_what_asks_for_time_after_an_outer_limit_gets_none() -> None:
    asked: list[str] = []

    def patient() -> None:
        # as code that takes being out of time for an answer, again and again
        while True:
            try:
                within(60, forever)
            except OutOfTimeError:
                asked.append("again")

    start = time.monotonic()
    with pytest.raises(OutOfTimeError):
        within(0.1, patient)
    assert asked
    assert time.monotonic() - start < 20


def test_causes_for_which_no_time_is_left_are_undecided() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, sympy.sin(a) + b)], [a, b])
    report = check_influence(mechanisms, time_limit=1e-9)
    assert [found.status for found in report.all] == ["undecided", "undecided"]
    assert "the time for all causes was over" in report.actions["a"].reason
    with pytest.raises(UndecidedError, match="is of an exponential family is undecided"):
        check_influence(mechanisms, "exponential", time_limit=1e-9)
    assert check_influence(mechanisms, time_limit=60)


def test_reading_is_limited_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(model("gaussian(z0, a0)"), encoding="utf-8")
    monkeypatch.setattr("identify.mechanisms.files.formula", lambda *_: forever())
    with pytest.raises(
        UndecidedError, match=r"undecided within 0.1 s; allow more time, or write simpler ones"
    ):
        read_mechanisms(file, 0.1)
    with pytest.raises(RequestError, match="it is a time limit"):
        read_mechanisms(file, 0)


@pytest.mark.parametrize("error", [OverflowError, RecursionError, MemoryError, NotImplementedError])
def test_what_sympy_fails_on_is_undecided(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(expression: object) -> None:
        raise error

    monkeypatch.setattr(vanishing, "refute", fail)
    assert vanishes(a).reason == f"sympy fails on it ({error.__name__})"
    with pytest.raises(UndecidedError, match=f"sympy fails on it .{error.__name__}"):
        _ = Mechanisms([z], [gaussian(z, a)], [a]).graph


# Numbers that would fill the memory -------------------------------------------------------------------


def test_substitution_is_that_of_sympy_unless_it_is_too_large() -> None:
    expression = z * 2**a + sympy.gamma(a) + a**b + sympy.sqrt(a) ** 3
    small = {a: sympy.Integer(3), b: sympy.Rational(1, 2)}
    assert substituted(expression, small) == expression.subs(small)
    far = {a: sympy.Integer(10) ** 308}
    assert substituted(1 / (a**2 + 1) + sympy.sqrt(a), far) == (1 / (a**2 + 1) + sympy.sqrt(a)).subs(far)
    # of a symbol that stays nothing is written out
    assert substituted(z**a, {a: sympy.Integer(10) ** 9}) == z ** (10**9)
    for large in (2**a, a**b, sympy.gamma(a + 1), sympy.loggamma(a), sympy.factorial(a)):
        with pytest.raises(TooLargeError, match="is too large a number where"):
            substituted(large, {a: sympy.Integer(10) ** 9, b: sympy.Integer(10) ** 6})
    require_small_powers(z**1000)
    with pytest.raises(TooLargeError, match="the exponent 1000000 is too large; up to 100,000 are allowed"):
        require_small_powers(1 + z**1_000_000)


def test_densities_with_huge_powers_are_refused() -> None:
    with pytest.raises(MechanismError, match="in the density of z, the exponent 1000000 is too large"):
        Mechanisms([z], [-(z**1_000_000) * a], [a])
    with pytest.raises(TooLargeError, match="the exponent"):
        mixture([1], [student_t(z, a, 1, 10**9)])


def test_expressions_in_words_are_short() -> None:
    assert in_words(sympy.Integer(10) ** 5000) == "an expression with a number of thousands of digits"
    long = sympy.Add(*(sympy.Symbol(f"a_rather_long_name_{k}") for k in range(30)))
    assert len(in_words(long)) == 120
    assert in_words(long, None) == str(long)
    assert str(NotEnclosedError("has no value", a)) == "a has no value"


# The process that is killed ----------------------------------------------------------------------------


def test_a_file_is_decided_in_a_process_of_its_own(file: Path) -> None:
    file.write_text(
        'latents = ["z0"]\nactions = ["a0", "a1"]\npast = ["p0"]\n'
        '[log_densities]\nz0 = "gaussian(z0, sin(a0) * p0)"',
        encoding="utf-8",
    )
    steps: list[object] = []
    graph, report = decide_file(file, "exponential", 60, steps.append, lambda: steps.append("action"))
    mechanisms = read_mechanisms(file)
    assert graph.same_names(mechanisms.graph)
    assert steps == [graph, "action", "action"]
    # the same answers, with certificates as text
    assert report.to_dict() == check_influence(mechanisms, "exponential").to_dict()
    assert report.actions["a0"].certificate is None


def test_it_works_from_a_script_without_a_guard_and_from_a_thread(file: Path, tmp_path: Path) -> None:
    file.write_text(model("gaussian(z0, sin(a0))"), encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(
        "import threading\nfrom identify.influence.isolated import decide_file\n"
        f"work = lambda: print(bool(decide_file({str(file)!r})[1]))\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert done.stderr == ""


def test_what_a_python_file_prints_is_no_answer(tmp_path: Path, capfd: Captured) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        "import sympy\nfrom identify.mechanisms import Mechanisms, gaussian\nprint('{}')\n"
        "z, a = sympy.symbols('z a')\nmechanisms = Mechanisms([z], [gaussian(z, a)], [a])\n",
        encoding="utf-8",
    )
    assert main(["check", "--mechanisms", str(path), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["influence"]["holds"]
    assert err == "{}\n"
    path.write_text("raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(FormatError, match=r"running it failed \(SystemExit: 3\)"):
        read_mechanisms(path)


STUBBORN = """
import sympy, time
from identify.mechanisms import Mechanisms, gaussian
class Stubborn(Mechanisms):
    @property
    def scores(self):
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
z, a = sympy.symbols("z a")
if {at_once}:
    Stubborn.scores.fget(None)
mechanisms = Stubborn([z], [gaussian(z, a)], [a])
"""


@pytest.mark.parametrize("at_once", [True, False])
def test_work_that_can_not_be_interrupted_is_killed(at_once: bool, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "m.py"
    path.write_text(STUBBORN.replace("{at_once}", str(at_once)), encoding="utf-8")
    if at_once:
        assert main(["check", "--mechanisms", str(path), "--time-limit", "0.2"]) == 2
        err = capsys.readouterr().err
        assert "what its formulas say is undecided within 0.2 s; allow more time" in err
        assert err.count("\n") == 1
        return
    graph, report = decide_file(path, time_limit=0.5)
    assert graph.edges() == [("a", "z")]
    assert report.actions["a"].status == "undecided"
    assert "the time for all causes was over" in report.actions["a"].reason


def test_a_process_that_ends_by_itself_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("import os; os._exit(3)", encoding="utf-8")
    with pytest.raises(
        UndecidedError, match="the process that decides it has ended, perhaps for want of memory"
    ):
        decide_file(path)


@pytest.mark.parametrize("how", ["frozen", "no processes"])
def test_without_processes_it_is_decided_here(how: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(model("gaussian(z0, sin(a0))"), encoding="utf-8")
    if how == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(isolated.sys, "executable", "/nowhere/python")
    assert decide_file(file)[1]


def test_messages_tell_what_they_are_told() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, sympy.sin(a))], [a, b])
    graph, past = graph_in(json.loads(json.dumps(graph_told(mechanisms.graph, False))))
    assert graph.same_names(mechanisms.graph)
    assert not past
    found = check_influence(mechanisms).actions["a"]
    answer = answer_in(json.loads(json.dumps(answer_told(found))))
    assert answer.to_dict() == found.to_dict()
    for error in (FormatError("m: x"), MechanismError("y"), UndecidedError("z")):
        copy = error_in(error_told(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
    assert type(error_in(error_told(TooLargeError("t")))) is IdentifyError


def test_an_error_that_nobody_foresaw_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr("identify.influence.worker.read_mechanisms", fail)
    told: list[dict[str, object]] = []
    decide(Request(str(file), "nonparametric", 5.0), told.append)
    assert [message["kind"] for message in told] == ["error"]
    assert "it is undecided; sympy fails on it (KeyError: 'odd')" in str(told[0]["text"])
