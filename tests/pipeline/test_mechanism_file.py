"""One file of densities goes all the way: check, simulate, train, evaluate with what is proved for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimation.dataset import Dataset
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of
from tests.seeds import training_seed

FILE = str(Path(__file__).parents[1] / "data" / "mechanisms" / "variances.toml")


def test_a_mechanism_file_goes_all_the_way(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for split, n in (("train", 500), ("test", 200)):
        words = ["simulate", FILE, "-n", n, "--seed", training_seed(), "--split", split, "-o", f"{split}.npz"]
        assert json_of(capsys, *words)["mechanisms"] == FILE
    output_of(capsys, "train", "train.npz", "-o", "model", *TINY)
    checked = json_of(capsys, "check", "--mechanisms", FILE)
    record = json_of(capsys, "evaluate", "model", "test.npz", "--mechanisms", FILE, "--report", "page.html")
    certified = record["certified"]
    # the same conditions and guarantee as those of the command on graphs
    for key in ("conditions", "guarantee", "latents"):
        assert certified["verdict"][key] == checked[key]
    statuses = {condition["name"]: condition["status"] for condition in checked["conditions"]}
    assert statuses["sufficient influence of push"] == "proved"
    assert Dataset.read("test.npz").action_names == ("push", "load", "field")
    assert isinstance(certified["comparison"]["confirmed"], bool)
    assert record["mcc"] is not None

    page = Path("page.html").read_text(encoding="utf-8")
    for part in (
        "For these mechanisms: ",
        "Learned entanglement against this guarantee: ",
        "influence of push",
    ):
        assert part in page

    # mechanisms of other data are refused
    other = Path(FILE).read_text(encoding="utf-8").replace("sin(3 * push) + ", "")
    Path("other.toml").write_text(other, encoding="utf-8")
    message = error_of(capsys, "evaluate", "model", "test.npz", "--mechanisms", "other.toml")
    assert "test.npz and other.toml differ: the edge push -> mass is not in other.toml" in message
    data = Dataset.read("test.npz")
    Dataset.from_arrays(data.observations, data.actions, action_names=data.action_names).write("plain.npz")
    message = error_of(capsys, "evaluate", "model", "plain.npz", "--mechanisms", FILE)
    assert "plain.npz: has no true graph" in message
