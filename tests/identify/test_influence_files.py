"""A report on influence read from JSON is the report that was written; anything else is refused in one line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from estimation.commands import main
from identify.exceptions import FileAccessError, FormatError
from identify.influence import Influence, InfluenceReport, Influences, check_influence, read_influence
from identify.influence.report import FAMILIES
from identify.mechanisms import Mechanisms, gaussian
from tests.identify.command_line import Captured

STATUSES = ("holds", "fails", "undecided")


@st.composite
def reports(draw: st.DrawFn) -> InfluenceReport:
    def influence(cause: str) -> Influence:
        repairs = tuple(draw(st.lists(st.text(max_size=5), max_size=2)))
        certificate = draw(st.none() | st.text(max_size=5))
        return Influence(cause, draw(st.sampled_from(STATUSES)), None, draw(st.text()), repairs, certificate)

    names = draw(st.lists(st.text(min_size=1, max_size=4), max_size=4, unique=True))
    return InfluenceReport(
        draw(st.sampled_from(FAMILIES)),
        Influences({name: influence(name) for name in names}),
        draw(st.none() | st.builds(influence, st.just("the past"))),
        draw(st.none() | st.builds(influence, st.just("the natural parameters"))),
    )


SCHEMA = json.loads(
    (Path(__file__).parents[2] / "identify/schemas/influence-1.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)


@given(reports())
def test_written_reports_satisfy_the_schema(report: InfluenceReport) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(report.to_dict())


def written(folder: Path, value: object) -> Path:
    path = folder / "report.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@given(report=reports(), whole=st.booleans())
def test_reading_returns_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, report: InfluenceReport, whole: bool
) -> None:
    record = report.to_dict()
    path = written(tmp_path_factory.mktemp("r"), {"complete": True, "influence": record} if whole else record)
    read = read_influence(path)
    assert read.to_dict() == record
    assert read.all == report.all


def test_certificates_are_kept_as_text(tmp_path: Path) -> None:
    z, a = sympy.symbols("z a")
    report = check_influence(Mechanisms([z], [gaussian(z, a)], actions=[a]))
    read = read_influence(written(tmp_path, report.to_dict()))
    assert read.to_dict() == report.to_dict()
    assert read.actions["a"].certificate_text == str(report.actions["a"].certificate)


def test_the_output_of_check_is_a_report(tmp_path: Path, capsys: Captured) -> None:
    model = tmp_path / "m.toml"
    model.write_text(
        'latents = ["z"]\nactions = ["a"]\n[log_densities]\nz = "gaussian(z, a)"\n', encoding="utf-8"
    )
    assert main(["check", "--mechanisms", str(model), "--json"]) == 0
    output = capsys.readouterr().out
    record = json.loads(output)["influence"]
    assert read_influence(written(tmp_path, output)).to_dict() == record


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    source = b'{"actions": {"a": {"status": "holds"}}}'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source)))
    assert read_influence("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[]")))
    with pytest.raises(FormatError, match=r"^standard input: is not a report on influence"):
        read_influence("-")


def test_a_report_written_by_hand_needs_the_statuses_only(tmp_path: Path) -> None:
    report = read_influence(
        written(tmp_path, {"actions": {"a": {"status": "fails"}}, "past": {"status": "holds"}})
    )
    assert (report.family, report.sufficient_variability) == ("nonparametric", None)
    VALIDATOR.validate({"actions": {"a": {"status": "fails"}}, "past": {"status": "holds"}})
    assert str(report) == (
        "a: fails; the report gives no reason\nthe past: holds; the report gives no reason"
    )


A = {"status": "holds"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "is not valid JSON"),
        ([], "neither the key 'influence' nor an object 'actions'"),
        ({"actions": []}, "neither the key 'influence' nor an object 'actions'"),
        ({"complete": True, "latents": []}, "is a verdict without a report on influence"),
        ({"influence": None}, "'influence' is None; it must be an object"),
        ({"family": "normal", "actions": {}}, "the family is 'normal'; it is one of nonparametric, exponential"),
        ({"influence": {"actions": [1]}}, r"'actions' is \[1\]; it must be an object"),
        ({"actions": {"a": True}}, "'actions.a' is True; it must be an object"),
        ({"actions": {"a": {}}}, "the status of 'actions.a' is missing; it is one of holds, fails, undecided"),
        ({"actions": {"a": {"status": "yes"}}}, "the status of 'actions.a' is 'yes'"),
        ({"actions": {"a": A | {"cause": "b"}}}, "the cause of 'actions.a' is 'b'; it must be 'a'"),
        ({"actions": {"a": A | {"reason": 1}}}, "the reason of 'actions.a' is 1; it must be text"),
        ({"actions": {"a": A | {"certificate": 1}}}, "the certificate of 'actions.a' is 1"),
        ({"actions": {"a": A | {"repairs": "x"}}}, "the repairs of 'actions.a' must be a list of texts"),
        ({"actions": {}, "past": {"status": 3}}, "the status of 'past' is 3"),
        ({"actions": {"a": A}, "holds": False}, "'holds' is false, which contradicts the statuses of the causes"),
    ],
)  # fmt: skip
def test_other_content_is_refused_in_one_line(value: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, value)
    with pytest.raises(FormatError, match=message) as caught:
        read_influence(path)
    assert str(caught.value).startswith(str(path))
    # the schema can neither see the whole output of `check` nor compare names and statuses
    if (
        isinstance(value, dict)
        and "influence" not in value
        and "cause" not in str(value)
        and "holds" not in value
    ):
        assert not VALIDATOR.is_valid(value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileAccessError, match=r"none\.json: no such file"):
        read_influence("none.json")
