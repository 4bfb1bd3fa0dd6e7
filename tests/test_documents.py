"""README and docs are correct: snippets run and print what the page shows, links and citations have targets."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex
from pathlib import Path

import pytest

from estimation.commands import main
from identify.formats import write_graph
from identify.graph import CausalGraph
from tests.documentation import missing_packages

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("docs/*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def snippets(path: Path, training: bool = False) -> list[tuple[str, str]]:
    """Return the Python snippets of a page with their outputs: those that train for minutes, or the others."""
    code, outputs = blocks(path, "python"), blocks(path, "text")
    assert len(code) == len(outputs) > 0
    return [pair for pair in zip(code, outputs, strict=True) if ("fit(" in pair[0]) == training]


def printed_by(snippet: str, path: Path, namespace: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, str(path), "exec"), namespace)
    return printed.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        README,
        *(ROOT / "docs" / name for name in ("unmixing.md", "influence.md", "screens.md", "how_sparse.md")),
    ],
    ids=lambda path: path.name,
)
def test_snippets_print_what_the_page_says(path: Path) -> None:
    namespace: dict[str, object] = {}
    for snippet, output in snippets(path):
        assert printed_by(snippet, path, namespace) == output


def test_the_readme_snippet_that_trains_runs() -> None:
    """With fewer samples and steps than in the README, the output differs only in its numbers."""
    ((snippet, output),) = snippets(README, training=True)
    for full, small in {"50_000": "600", "5_000": "300", "2_500": "20"}.items():
        assert full in snippet
        snippet = snippet.replace(full, small)
    printed = printed_by(snippet, README, {}).replace("not confirmed", "confirmed")
    number = r"-?\d+(\.\d+)?"
    assert re.sub(number, "1", printed) == re.sub(number, "1", output)


def commands(training: bool = False) -> list[str]:
    """Return the commands of the README: those on graphs, which are independent, or the sequence that trains."""
    selected = [block for block in blocks(README, "sh") if ("mechsparse train" in block) == training]
    lines = [line for block in selected for line in block.splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.startswith("mechsparse ")]


@pytest.mark.parametrize("command", commands())
def test_the_readme_commands_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = readme_graph()
    for name in ("graph.json", "graph.graphml", "true.json", "learned.json", "experiments/one.json"):
        Path(name).parent.mkdir(exist_ok=True)
        write_graph(graph, name)
    # the page on influence shows a complete file
    (model,) = blocks(ROOT / "docs" / "influence.md", "toml")
    Path("model.toml").write_text(model, encoding="utf-8")
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().err == ""


def test_the_readme_commands_that_train_run_in_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands run with fewer samples and steps than in the README; the scores are not tested."""
    monkeypatch.chdir(tmp_path)
    smaller = {"50000": "600", "10000": "300", "2000": "20"}
    for command in commands(training=True):
        arguments = [smaller.get(argument, argument) for argument in shlex.split(command)[1:]]
        assert main(arguments) == 0, capsys.readouterr().err
    assert "SHD" in capsys.readouterr().out
    assert Path("report.html").exists()


def readme_graph() -> CausalGraph:
    namespace: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for snippet, _ in snippets(README):
            exec(snippet, namespace)
    graph = namespace["graph"]
    assert isinstance(graph, CausalGraph)
    return graph


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_local_links_have_targets(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing


def test_the_pages_and_sections_that_the_code_cites_exist() -> None:
    for path in (*ROOT.glob("identify/**/*.py"), *ROOT.glob("estimation/**/*.py")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for page, section in re.findall(r'(docs/\w+\.md)(?:, "([^"]+)")?', text):
            assert f"# {section}" in ROOT.joinpath(page).read_text(encoding="utf-8"), (path, page, section)


def test_the_make_targets_of_the_readme_exist() -> None:
    rules = set(re.findall(r"^(\w+):", ROOT.joinpath("Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README.read_text(encoding="utf-8"))) <= rules


# sizes for the examples that train; `make docs` runs them with those on the page, which take minutes
SMALL_SIZES = {"N_SAMPLES": 700, "N_IMAGES": 150, "N_RUNS": 20, "N_TEST": 60, "N_STEPS": 9}


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the rounds of unmixing as well: after so few steps of training their results are not what is tested."""
    from estimation.training import transition_fitting, unmixing_round

    monkeypatch.setattr(unmixing_round, "unmix", functools.partial(unmixing_round.unmix, n_starts=4))
    monkeypatch.setattr(transition_fitting, "_MIN_STEPS", 3)


def with_small_sizes(source: str) -> str:
    return re.sub(
        r"^(N_\w+) = [\d_]+$",
        lambda match: f"{match[1]} = {SMALL_SIZES[match[1]]}",
        source,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.stem)
def test_the_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example runs from top to bottom; those that train do so with few steps."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    source = with_small_sizes(path.read_text(encoding="utf-8"))
    if missing := missing_packages(source):
        pytest.skip(f"needs {', '.join(missing)}: pip install 'mechsparse[systems]'")
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context({"backend": "agg"}), contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, str(path), "exec"), {"__name__": "__main__"})
    plt.close("all")
