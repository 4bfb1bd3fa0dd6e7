"""No test that trains has a seed that can't be shifted; the shift is what the variable says."""

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
# functions that take a seed: its place among the arguments, and its name
TAKING = {
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
# what a seed is made of: shifted here, drawn by hypothesis, or one generator handed on
SHIFTED = re.compile(r"training_seed\(|\bdraw\(|^generator$")


def is_shifted(node: ast.expr) -> bool:
    return SHIFTED.search(ast.unparse(node)) is not None


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def in_lambdas(tree: ast.AST) -> set[ast.AST]:
    """What is made to be refused: nothing is drawn there."""
    return {inner for node in ast.walk(tree) if isinstance(node, ast.Lambda) for inner in ast.walk(node)}


def loose_arguments(tree: ast.AST) -> Iterator[ast.expr]:
    """Calls whose seed is missing or is not shifted."""
    refused = in_lambdas(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) not in TAKING or node in refused:
            continue
        place, name = TAKING[called(node)]
        given = [key.value for key in node.keywords if key.arg == name]
        if place is not None:
            given += node.args[place : place + 1]
        unpacked = any(is_shifted(key.value) for key in node.keywords if key.arg is None)
        if not all(map(is_shifted, given)) or not (given or unpacked or not (node.args or node.keywords)):
            yield node


def loose_words(tree: ast.AST) -> Iterator[ast.expr]:
    """Seeds on a command line, or in a configuration file, that are plain numbers; commands that name none."""
    for node in ast.walk(tree):
        words = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        texts = [word.value if isinstance(word, ast.Constant) else None for word in words]
        for option, value in zip(texts, words[1:], strict=False):
            if option == "--seed" and not is_shifted(value):
                yield node
        makes = {"train", "simulate"} & set(texts[:2]) and {"-o", "--out"} & set(texts)
        named = "--seed" in texts or any(isinstance(word, ast.Starred) for word in words)
        if makes and not named and not (isinstance(node, ast.Call) and called(node) == "refused"):
            yield node
        if isinstance(node, ast.Constant) and re.search(r"^seeds? ?= ?\[?\d", str(node.value), re.MULTILINE):
            yield node


@pytest.mark.parametrize("name", sorted(FILES.keys() - FIXED.keys()))
def test_every_seed_is_shifted(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    found = {node.lineno: ast.unparse(node) for node in [*loose_arguments(tree), *loose_words(tree)]}
    assert not found, "seeds come from tests.seeds.training_seed, so that all of them can be shifted"


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
        "told(capsys, 'train', 'data.npz', '-o', 'model', *TINY, '--seed', 3)",
        "main(['simulate', 'TimeDiag', '-o', 'data.npz'])",
        "write('steps = 3\\nseed = 5')",
        "write('seeds = [0, 1]')",
    ],
)
def test_a_seed_from_elsewhere_is_found(line: str) -> None:
    tree = ast.parse(line)
    assert [*loose_arguments(tree), *loose_words(tree)]


def test_seeds_that_stay_are_those_of_files_that_exist() -> None:
    assert FIXED.keys() <= FILES.keys()


@pytest.mark.parametrize(("value", "shift"), [("", 0), ("0", 0), (" 7 ", 7), ("123456789", 123456789)])
def test_the_shift_is_what_the_variable_says(value: str, shift: int) -> None:
    assert shift_of(value) == shift


@pytest.mark.parametrize("value", ["-1", "1.5", "two", "1_000", "٣", "1" * 10])
def test_what_is_no_shift(value: str) -> None:
    message = f"{VARIABLE} is {value!r}; it is a whole number from 0, of 9 digits at most"
    with pytest.raises(ValueError, match=re.escape(message)):
        shift_of(value)


def test_the_variable_shifts_every_seed() -> None:
    assert training_seed(3) - training_seed() == 3
    code = "from tests.seeds import training_seed; print(training_seed(), training_seed(4))"
    environment = {**os.environ, VARIABLE: "7"}
    words = [sys.executable, "-c", code]
    told = subprocess.run(
        words, env=environment, cwd=TESTS.parent, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["7", "11"]
