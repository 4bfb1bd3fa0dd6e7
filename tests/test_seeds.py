"""Every seed of the tests that train can be shifted, and the environment variable determines the shift."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seeds import FIXED, VARIABLE, shift_of, training_seed

TESTS = Path(__file__).parent
FILES = {
    path.relative_to(TESTS).as_posix(): path
    for folder in ("estimation", "pipeline")
    for path in sorted((TESTS / folder).rglob("*.py"))
}
# functions that take a seed: the position and the name of this argument
SEED_ARGUMENTS = {
    "default_rng": (0, "seed"),
    "RandomState": (0, "seed"),
    "manual_seed": (0, "seed"),
    "simulate": (2, "seed"),
    "hold_out": (1, "seed"),
    "ConvEncoder": (2, "seed"),
    "ConvDecoder": (2, "seed"),
    "TrainingConfig": (None, "seed"),
    "BaselineConfig": (None, "seed"),
    "SparseMechanismVAE": (None, "random_state"),
}
# valid seeds: shifted, drawn by hypothesis, or an existing generator
SHIFTED = re.compile(r"training_seed\(|\bdraw\(|^generator$")


def is_shifted(node: ast.expr) -> bool:
    return SHIFTED.search(ast.unparse(node)) is not None


def called_name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def nodes_in_lambdas(tree: ast.AST) -> set[ast.AST]:
    """Return the nodes within lambdas: these calls are refused, so that they draw nothing."""
    return {inner for node in ast.walk(tree) if isinstance(node, ast.Lambda) for inner in ast.walk(node)}


def unshifted_calls(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the calls whose seed is missing or not shifted."""
    in_lambdas = nodes_in_lambdas(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called_name(node) not in SEED_ARGUMENTS or node in in_lambdas:
            continue
        position, name = SEED_ARGUMENTS[called_name(node)]
        seeds = [key.value for key in node.keywords if key.arg == name]
        if position is not None:
            seeds += node.args[position : position + 1]
        unpacked = any(is_shifted(key.value) for key in node.keywords if key.arg is None)
        if not all(map(is_shifted, seeds)) or not (seeds or unpacked or not (node.args or node.keywords)):
            yield node


def unshifted_texts(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield plain numbers as seeds of command lines and configuration files, and commands without a seed."""
    for node in ast.walk(tree):
        arguments = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in arguments]
        for option, value in zip(texts, arguments[1:], strict=False):
            if option == "--seed" and not is_shifted(value):
                yield node
        draws = {"train", "simulate"} & set(texts[:2]) and {"-o", "--out"} & set(texts)
        has_seed = "--seed" in texts or any(isinstance(argument, ast.Starred) for argument in arguments)
        if draws and not has_seed and not (isinstance(node, ast.Call) and called_name(node) == "error_of"):
            yield node
        if isinstance(node, ast.Constant) and re.search(r"^seeds? ?= ?\[?\d", str(node.value), re.MULTILINE):
            yield node


@pytest.mark.parametrize("name", sorted(FILES.keys() - FIXED.keys()))
def test_every_seed_is_shifted(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    nodes = [*unshifted_calls(tree), *unshifted_texts(tree)]
    unshifted = {node.lineno: ast.unparse(node) for node in nodes}
    assert not unshifted, "seeds come from tests.seeds.training_seed, so that all of them can be shifted"


@pytest.mark.parametrize(
    "line",
    [
        "np.random.default_rng(0)",
        "torch.Generator().manual_seed(seed)",
        "simulate(graph, 100)",
        "simulate(graph, 100, 3)",
        "simulate(graph, 100, seed=3)",
        "TrainingConfig(steps=3)",
        "BaselineConfig('vae', **SMALL)",
        "SparseMechanismVAE(2)",
        "ConvEncoder(shape, 2)",
        "hold_out(data, 1)",
        "output_of(capsys, 'train', 'data.npz', '-o', 'model', *TINY, '--seed', 3)",
        "main(['simulate', 'TimeDiag', '-o', 'data.npz'])",
        "write('steps = 3\\nseed = 5')",
        "write('seeds = [0, 1]')",
    ],
)
def test_an_unshifted_seed_is_detected(line: str) -> None:
    tree = ast.parse(line)
    assert [*unshifted_calls(tree), *unshifted_texts(tree)]


def test_the_files_with_fixed_seeds_exist() -> None:
    assert FIXED.keys() <= FILES.keys()


@pytest.mark.parametrize(("value", "shift"), [("", 0), ("0", 0), (" 7 ", 7), ("123456789", 123456789)])
def test_the_variable_determines_the_shift(value: str, shift: int) -> None:
    assert shift_of(value) == shift


@pytest.mark.parametrize("value", ["-1", "1.5", "two", "1_000", "٣", "1" * 10])
def test_an_invalid_shift_is_refused(value: str) -> None:
    message = f"{VARIABLE} is {value!r}; it must be a whole number from 0 with at most 9 digits"
    with pytest.raises(ValueError, match=re.escape(message)):
        shift_of(value)


def test_the_variable_shifts_every_seed() -> None:
    assert training_seed(3) - training_seed() == 3
    code = "from tests.seeds import training_seed; print(training_seed(), training_seed(4))"
    environment = {**os.environ, VARIABLE: "7"}
    command = [sys.executable, "-c", code]
    process = subprocess.run(
        command, env=environment, cwd=TESTS.parent, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == ["7", "11"]
