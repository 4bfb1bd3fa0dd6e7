"""Hooks and workflows call the Makefile, so that every check means the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = ROOT.joinpath("Makefile").read_text(encoding="utf-8")
YAML_FILES = [ROOT / ".pre-commit-config.yaml", *sorted(ROOT.joinpath(".github").rglob("*.yml"))]


def content(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def targets() -> dict[str, list[str]]:
    """Return the prerequisites of every target of the Makefile with a plain name."""
    rules = re.findall(r"^([a-z][\w-]*):(?!=)(.*)$", MAKEFILE, re.MULTILINE)
    return {name: prerequisites.split() for name, prerequisites in rules}


def steps() -> list[dict[str, Any]]:
    return [step for job in content(WORKFLOW)["jobs"].values() for step in job["steps"]]


WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_the_yaml_is_valid(path: Path) -> None:
    assert isinstance(content(path), dict)


def test_the_hooks_are_those_of_make_lint() -> None:
    hooks = [hook for repo in content(YAML_FILES[0])["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [f"make {target}" for target in targets()["lint"]]
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks)


def test_the_workflow_tests_on_every_system_and_builds_the_documentation() -> None:
    assert [step["run"] for step in steps() if "run" in step] == ["make test", "make docs"]
    assert {"test", "docs"} <= set(targets())
    matrix = content(WORKFLOW)["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_the_targets_of_the_makefile_are_phony() -> None:
    """A file with the name of a target would otherwise silence it."""
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(targets()) == set(phony.split())


def test_the_guide_for_contributors_names_files_and_targets_that_exist() -> None:
    guide = ROOT.joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"make ([a-z-]+)", guide)) <= set(targets())
    named = re.findall(r"`((?:identify|estimation|tests|docs|examples|\.github)/[^`*]*?)`", guide)
    assert len(named) > 20
    assert not [path for path in named if not re.search(r"NAME|NN", path) and not (ROOT / path).exists()]
