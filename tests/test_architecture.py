"""Imports follow the order of the modules, `identify` needs no torch, and heavy imports are deferred."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]

# a package or module may import itself and those above it; docs/architecture.md has the same table
ORDER = [
    "identify.terminal",
    "identify.exceptions",
    "identify.wording",
    "identify.markup",
    "identify.hashing",
    "identify.names",
    "identify.binary",
    "identify.graph",
    "identify.files",
    "identify.toml_files",
    "identify.json_files",
    "identify.formats",
    "identify.catalog",
    "identify.preorder",
    "identify.neighbourhoods",
    "identify.entanglement",
    "identify.symmetry",
    "identify.consistency",
    "identify.proof",
    "identify.maps",
    "identify.mechanisms",
    "identify.influence",
    "identify.evidence",
    "identify.conditions",
    "identify.guarantee",
    "identify.witnesses",
    "identify.latent_verdicts",
    "identify.screens",
    "identify.criterion",
    "identify.design",
    "identify.plot",
    "identify.report",
    "identify.commands",
    "estimation.exceptions",
    "estimation.arithmetic",
    "estimation.device",
    "estimation.config",
    "estimation.dataset",
    "estimation.simulate",
    "estimation.metrics",
    "estimation.storage",
    "estimation.latent_count",
    "estimation.history",
    "estimation.models",
    "estimation.methods",
    "estimation.unmixing",
    "estimation.diagnostics",
    "estimation.prediction",
    "estimation.stored_columns",
    "estimation.trained",
    "estimation.training",
    "estimation.baselines",
    "estimation.baseline_config",
    "estimation.checkpoint",
    "estimation.estimator_parameters",
    "estimation.estimator",
    "estimation.annotation",
    "estimation.learned",
    "estimation.influence",
    "estimation.evaluation",
    "estimation.results",
    "estimation.selection",
    "estimation.sweep",
    "estimation.reproduction",
    "estimation.plot",
    "estimation.report",
    "estimation.commands",
]
# the unrelated distribution `identify` installs these modules, and an empty __init__.py
RESERVED = {"cli", "extensions", "identify", "interpreters", "vendor", "__main__"}
FILES = sorted([*ROOT.joinpath("identify").rglob("*.py"), *ROOT.joinpath("estimation").rglob("*.py")])


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def entry(module: str) -> str | None:
    """Return the entry of `ORDER` that a module belongs to."""
    return next((name for name in ORDER if module == name or module.startswith(name + ".")), None)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_follow_the_order(path: Path) -> None:
    own = entry(module_of(path))
    if own is None:
        assert module_of(path) in ("identify", "estimation"), f"{path} isn't in the table of modules"
        assert not {name for name in imported(path) if name.startswith(("identify", "estimation"))}
        return
    others = {entry(name) for name in imported(path)} - {None, own}
    assert all(ORDER.index(name) < ORDER.index(own) for name in others), (own, others)


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """Return the modules of the project that a file imports at module level, including those for type checkers."""
    names: set[str] = set()
    pending: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            names |= submodules
            if len(submodules) < len(node.names):
                names.add(node.module or "")
        elif isinstance(node, ast.If):
            pending += [*node.body, *node.orelse]
    return (names & modules) - {module_of(path)}


def test_there_are_no_import_cycles() -> None:
    modules = {module_of(path) for path in FILES}
    imports = nx.DiGraph({module_of(path): imported_modules(path, modules) for path in FILES})
    cycles = {tuple(sorted(group)) for group in nx.strongly_connected_components(imports) if len(group) > 1}
    assert not cycles


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_torch_estimation_and_matplotlib_are_imported_only_where_allowed(path: Path) -> None:
    names = imported(path)
    packages = {name.split(".")[0] for name in names}
    if module_of(path).startswith("identify"):
        assert "torch" not in packages
        assert "estimation" not in packages
        assert "matplotlib" not in packages or entry(module_of(path)) in (
            "identify.plot",
            "identify.commands",
        )
    assert "identify" not in names, "import from the module that owns the name"


@pytest.mark.parametrize(
    "path", [*FILES, *sorted(ROOT.joinpath("examples").glob("*.py"))], ids=lambda path: path.stem
)
def test_text_files_are_opened_with_an_encoding(path: Path) -> None:
    """Without an encoding, the content of a file depends on the locale of the machine."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and is_text(node):
            assert any(keyword.arg == "encoding" for keyword in node.keywords), f"{path}:{node.lineno}"


def is_text(call: ast.Call) -> bool:
    """Return whether a call opens, reads or writes text."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ("read_text", "write_text"):
        return True
    if name in ("run", "Popen", "check_output"):
        return any(keyword.arg in ("text", "universal_newlines") for keyword in call.keywords)
    if name not in ("open", "fdopen"):
        return False
    # `path.open` takes a mode first; other `open` methods take a file descriptor, an image or a member of an archive
    if isinstance(function, ast.Attribute) and name == "open" and call.args and not is_string(call.args[0]):
        return False
    modes = [argument.value for argument in call.args if is_string(argument)]
    return not any(set(mode) <= set("rwxab+") and "b" in mode for mode in modes)


def is_string(node: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_only_the_lock_of_a_run_calls_os_kill() -> None:
    """On Windows, `os.kill` ends the process whose existence it should check."""
    calling = {module_of(path) for path in FILES if "os.kill(" in path.read_text(encoding="utf-8")}
    assert calling == {"estimation.sweep.folders"}


def test_no_module_has_a_name_that_the_other_distribution_installs() -> None:
    assert not {path.stem for path in ROOT.joinpath("identify").iterdir()} & RESERVED


def test_the_init_files_of_both_packages_hold_only_a_docstring() -> None:
    for package in ("identify", "estimation"):
        tree = ast.parse(ROOT.joinpath(package, "__init__.py").read_text(encoding="utf-8"))
        assert [type(node) for node in tree.body] == [ast.Expr], f"{package}/__init__.py contains code"


def loaded_after(statement: str) -> set[str]:
    """Return the modules that are loaded after a statement, in a new interpreter with torch blocked."""
    code = f"import sys; sys.modules['torch'] = None; {statement}; print(*sorted(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(process.stdout.splitlines()[-1].split()) - {"torch"}


def test_identify_works_with_torch_blocked() -> None:
    modules = [module_of(path) for path in FILES if module_of(path).startswith("identify")]
    loaded = loaded_after("; ".join(f"import {module}" for module in modules))
    assert set(modules) <= loaded
    assert not {name for name in loaded if name.split(".")[0] == "torch"}


def test_the_criterion_imports_no_heavy_package() -> None:
    loaded = loaded_after("import identify.criterion")
    assert not loaded & {
        "networkx",
        "matplotlib",
        "igraph",
        "rich",
        "jinja2",
        "pandas",
        "scipy.optimize",
        "scipy.sparse",
    }


def test_help_imports_no_numpy() -> None:
    loaded = loaded_after("from estimation.commands import main; main(['check', '--help'])")
    assert not loaded & {"numpy", "scipy", "networkx", "matplotlib", "igraph"}
