"""The worker process that decides a file of mechanisms: its answers, its messages, and its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sympy

from estimation.commands import main
from identify.exceptions import FormatError, IdentifyError, MechanismError, UndecidedError
from identify.influence import check_influence, isolated, read_influence
from identify.influence.isolated import decide_file
from identify.influence.messages import (
    decode_error,
    decode_graph,
    decode_influence,
    encode_error,
    encode_graph,
    encode_influence,
)
from identify.influence.worker import Request, decide
from identify.mechanisms import Mechanisms, gaussian, read_mechanisms
from identify.proof.substitution import TooLargeError

Captured = pytest.CaptureFixture[str]
z, a, b = sympy.symbols("z a b", real=True)


def toml_text(formula: str) -> str:
    """Return a file with one latent z0 and two actions."""
    return f'latents = ["z0"]\nactions = ["a0", "a1"]\n[log_densities]\nz0 = "{formula}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.toml"


def test_a_file_is_decided_in_a_separate_process(file: Path) -> None:
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
    assert report.joint is None
    assert report.actions["a0"].certificate is None


ON_OFF = """
latents = ["raf", "mek"]
actions = ["a0", "a1", "a2", "a3", "a4"]
[log_densities]
raf = "gaussian(raf, a0 + a1 + a2)"
mek = "gaussian(mek, 2*a0 + a3 + a4)"
[action_values]
a0 = [0, 1]
a1 = [0, 1]
a2 = [0, 1]
a3 = [0, 1]
a4 = [0, 1]
"""


def test_joint_influence_is_decided_after_the_single_causes(file: Path, tmp_path: Path) -> None:
    file.write_text(ON_OFF, encoding="utf-8")
    _, report = decide_file(file, joint=True)
    assert report.to_dict() == check_influence(read_mechanisms(file), joint=True).to_dict()
    alone = report.actions["a0"]
    assert (alone.status, bool(report)) == ("fails", False)
    joint = report.joint
    assert joint is not None
    assert (joint.cause, joint.status) == ("all actions together", "holds")
    assert joint.certificate_text == "an exhaustive search for light directions of 2 latents"
    assert joint not in report.all
    assert str(report).splitlines()[-1] == str(joint)
    saved = tmp_path / "report.json"
    saved.write_text(json.dumps(report.to_dict()), encoding="utf-8")
    assert read_influence(saved).to_dict() == report.to_dict()


def test_joint_influence_that_holds_numerically_says_so(file: Path) -> None:
    file.write_text(ON_OFF.replace("2*a0", "sqrt(2)*a0"), encoding="utf-8")
    joint = check_influence(read_mechanisms(file), joint=True).joint
    assert joint is not None
    assert (joint.status, joint.certificate_text) == ("holds", None)
    assert joint.reason.endswith("(numerical evidence)")


def test_joint_influence_that_is_not_reached_is_undecided(file: Path) -> None:
    file.write_text(ON_OFF, encoding="utf-8")
    joint = check_influence(read_mechanisms(file), time_limit=1e-6, joint=True).joint
    assert joint is not None
    assert joint.status == "undecided"


def test_the_command_says_what_all_actions_do_together(file: Path, capsys: Captured) -> None:
    file.write_text(ON_OFF, encoding="utf-8")
    assert main(["check", "--mechanisms", str(file), "--joint"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Sufficient influence is refuted for a0. Joint influence of all actions together holds: at " in text
    )
    assert "With joint influence, a budget for all edges of actions together is enough as well." in text
    assert main(["check", "--mechanisms", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["influence"]["joint"] is None
    assert main(["check", "ActionDiag", "--joint"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--joint is about the densities in --mechanisms; give a file of them" in line


def test_a_script_needs_no_guard_and_may_use_a_thread(file: Path, tmp_path: Path) -> None:
    file.write_text(toml_text("gaussian(z0, sin(a0))"), encoding="utf-8")
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


def test_output_of_a_python_file_does_not_mix_with_the_messages(tmp_path: Path, capfd: Captured) -> None:
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


UNINTERRUPTIBLE = """
import sympy, time
from identify.mechanisms import Mechanisms, gaussian
class Uninterruptible(Mechanisms):
    @property
    def scores(self):
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
z, a = sympy.symbols("z a")
if {at_once}:
    Uninterruptible.scores.fget(None)
mechanisms = Uninterruptible([z], [gaussian(z, a)], [a])
"""


@pytest.mark.parametrize("at_once", [True, False])
def test_a_worker_that_can_not_be_interrupted_is_killed(
    at_once: bool, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "m.py"
    path.write_text(UNINTERRUPTIBLE.replace("{at_once}", str(at_once)), encoding="utf-8")
    if at_once:
        assert main(["check", "--mechanisms", str(path), "--time-limit", "0.2"]) == 2
        err = capsys.readouterr().err
        assert "the graph of its formulas is undecided within 0.2 s; allow more time" in err
        assert err.count("\n") == 1
        return
    graph, report = decide_file(path, time_limit=0.5)
    assert graph.edges() == [("a", "z")]
    assert report.actions["a"].status == "undecided"
    assert "the time limit for all causes passed" in report.actions["a"].reason


def test_a_worker_that_ends_early_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("import os; os._exit(3)", encoding="utf-8")
    with pytest.raises(
        UndecidedError, match="the process that decides it ended early, perhaps because it ran out of memory"
    ):
        decide_file(path)


@pytest.mark.parametrize("how", ["frozen", "no processes"])
def test_without_a_worker_the_file_is_decided_here(
    how: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(toml_text("gaussian(z0, sin(a0))"), encoding="utf-8")
    if how == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(isolated.sys, "executable", "/nowhere/python")
    assert decide_file(file)[1]


def test_messages_round_trip() -> None:
    mechanisms = Mechanisms([z], [gaussian(z, sympy.sin(a))], [a, b])
    graph, past = decode_graph(json.loads(json.dumps(encode_graph(mechanisms.graph, False))))
    assert graph.same_names(mechanisms.graph)
    assert not past
    influence = check_influence(mechanisms).actions["a"]
    decoded = decode_influence(json.loads(json.dumps(encode_influence(influence))))
    assert decoded.to_dict() == influence.to_dict()
    for error in (FormatError("m: x"), MechanismError("y"), UndecidedError("z")):
        copy = decode_error(encode_error(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
    assert type(decode_error(encode_error(TooLargeError("t")))) is IdentifyError


def test_an_unexpected_error_is_reported_in_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr("identify.influence.worker.read_mechanisms", fail)
    messages: list[dict[str, object]] = []
    decide(Request(str(file), "nonparametric", 5.0), messages.append)
    assert [message["kind"] for message in messages] == ["error"]
    assert "it is undecided; sympy fails on it (KeyError: 'odd')" in str(messages[0]["text"])
