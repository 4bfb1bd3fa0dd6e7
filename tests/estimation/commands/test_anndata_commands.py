"""Commands on ``.h5ad`` files: train, evaluate, annotate, and bad input in one line with nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from estimation.checkpoint import load
from tests.estimation.command_line import TINY, Captured, error_of, json_of, output_of
from tests.estimation.dataset.single_cell.cells import adata_of, anndata, counts

COLUMNS = ["--perturbation", "perturbation", "--control", "ctrl"]
TRAIN = ["--n-latents", "2", *TINY]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with 400 cells, sparse, with doses, a layer, and highly variable genes."""
    adata = adata_of(sp.csr_matrix(counts(400)))
    adata.obs["dose"] = ["+".join("1.5" for _ in label.split("+")) for label in adata.obs["perturbation"]]
    adata.layers["log"] = np.log1p(counts(400))
    adata.var["highly_variable"] = [True, True, False, True, True]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_evaluate_annotate(folder: Path, capsys: Captured) -> None:
    options = [*COLUMNS, "--layer", "log", "--genes", "highly_variable", "--dose", "dose"]
    text = output_of(capsys, "train", "cells.h5ad", *options, *TRAIN, "-o", "model")
    assert "2 perturbations (100 cells with several of them) and 100 control cells" in " ".join(text.split())
    model = load(folder / "model")
    assert model.action_names == ("A", "B")
    assert model.observation_names == ("TP53", "MYC", "CD4", "KLF1")
    # the genes are those of the model
    text = output_of(capsys, "evaluate", "model", "cells.h5ad", *COLUMNS, "--layer", "log", "--dose", "dose")
    assert "400 samples, 1 step, 4 observed, 2 actions" in text
    text = output_of(capsys, "annotate", "model", "cells.h5ad", "-o", "out.h5ad", "--layer", "log")
    assert text == (
        "out.h5ad: 2 latents of 400 cells in .obsm['X_mechsparse'], effects on genes in .varm['mechsparse'], "
        "the learned graph in .uns['mechsparse']\n"
    )
    adata = anndata.read_h5ad("out.h5ad")
    np.testing.assert_allclose(
        adata.obsm["X_mechsparse"], model.encode(np.log1p(counts(400))[:, [0, 1, 3, 4]]), atol=1e-5
    )
    facts = json_of(
        capsys, "annotate", "model", "cells.h5ad", "-o", "out.h5ad", "--layer", "log", "--key", "b"
    )
    assert facts == {
        "model": "model",
        "data": "cells.h5ad",
        "out": "out.h5ad",
        "key": "b",
        "cells": 400,
        "latents": 2,
        "effects": True,
    }


def test_train_on_disk_with_validation(folder: Path, capsys: Captured) -> None:
    options = [*COLUMNS, "--memory-map", "x.npy", "--shuffle-seed", "0", "--validation", "cells.h5ad"]
    text = output_of(capsys, "train", "cells.h5ad", *options, *TRAIN, "-o", "model")
    assert np.load("x.npy").shape == (400, 5)
    notes = " ".join(text.split())
    assert "is kept on disk in" in notes
    assert "in random order, drawn with the seed 0" in notes


def changed(change: Callable[[Any], Any]) -> None:
    adata = anndata.read_h5ad("cells.h5ad")
    change(adata)
    adata.write_h5ad("cells.h5ad")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--perturbation", "guide", "--control", "ctrl"],
            ".obs has no column called 'guide'; the columns are",
        ),
        (
            ["--perturbation", "perturbation"],
            "perturbation is perturbation, and no control is given; say which label",
        ),
        (
            ["--perturbation", "perturbation", "--control", "CTRL"],
            "no cell has the label 'CTRL'; did you mean 'ctrl'?",
        ),
        ([*COLUMNS, "--layer", "raw"], "there is no layer 'raw'; the data have X and layer 'log'"),
        (
            [*COLUMNS, "--covariates", "batch,donor"],
            "covariates: .obs has no column called 'batch'; the columns are",
        ),
        ([*COLUMNS, "--observations", "x"], "the option observations doesn't apply to this kind of file"),
        ([*COLUMNS, "--memory-map", "x.txt"], "memory_map is x.txt; the matrix is written as NPY"),
    ],
)
def test_bad_options(folder: Path, capsys: Captured, options: list[str], message: str) -> None:
    assert message in error_of(capsys, "train", "cells.h5ad", *options, *TRAIN, "-o", "model")
    assert os.listdir(folder) == ["cells.h5ad"]


def test_bad_files(folder: Path, capsys: Captured) -> None:
    def error() -> str:
        arguments = [*COLUMNS, "--memory-map", "x.npy", *TRAIN, "-o", "model"]
        message = error_of(capsys, "train", "cells.h5ad", *arguments)
        assert os.listdir(folder) == ["cells.h5ad"]
        return message

    def broken(adata: Any) -> None:
        x = counts(400)
        x[3, 1] = np.nan
        adata.X = x

    changed(broken)
    assert "cells.h5ad: gene 'MYC' is nan in cell 'c3'; every entry must be a finite number" in error()
    changed(lambda adata: setattr(adata, "X", counts(400) * [1, 0, 0, 1, 1]))
    assert "2 genes are zero in all cells: 'MYC', 'GATA1'; select genes by a boolean column" in error()
    changed(lambda adata: setattr(adata, "X", counts(400).astype(np.complex128)))
    assert "the matrix holds complex numbers; it must hold real numbers" in error()
    changed(lambda adata: setattr(adata, "var_names", ["a", "a", "b", "c", "d"]))
    assert "gene 'a' occurs 2 times; make the names unique" in error()
    adata_of().copy()[:0].copy().write_h5ad("cells.h5ad")
    assert "the data have 0 cells and 5 genes; there must be at least one of each" in error()
    Path("cells.h5ad").write_text("cell,gene\n")
    assert "cells.h5ad: is not an .h5ad file: " in error()


def test_bad_annotations(folder: Path, capsys: Captured) -> None:
    output_of(capsys, "train", "cells.h5ad", *COLUMNS, *TRAIN, "-o", "model")
    before = sorted(os.listdir(folder))
    annotate = ["annotate", "model", "cells.h5ad", "-o"]
    assert "no folder/out.h5ad: no such folder no folder" in error_of(capsys, *annotate, "no folder/out.h5ad")
    assert "out.csv: the suffix must be .h5ad" in error_of(capsys, *annotate, "out.csv")
    assert "there is no layer 'raw'" in error_of(capsys, *annotate, "out.h5ad", "--layer", "raw")
    assert "key is 'a/b'; it must be" in error_of(capsys, *annotate, "out.h5ad", "--key", "a/b")
    adata_of(counts(30)[:, :4]).write_h5ad("other.h5ad")
    message = error_of(capsys, "annotate", "model", "other.h5ad", "-o", "out.h5ad")
    assert message.endswith("other.h5ad: 1 gene of the training data is missing: 'KLF1'\n")
    assert sorted(os.listdir(folder)) == sorted([*before, "other.h5ad"])


def test_options_of_anndata_are_for_its_files(folder: Path, capsys: Captured) -> None:
    np.save("x.npy", counts())
    message = error_of(capsys, "train", "x.npy", *COLUMNS, *TRAIN, "-o", "model")
    assert "x.npy: perturbation, control is for .h5ad files; leave it out" in message
    message = error_of(
        capsys, "train", "ActionDiag", "-n", "50", "--shuffle-seed", "0", *TRAIN, "-o", "model"
    )
    assert "ActionDiag is a published process; --shuffle-seed is for files" in message


def test_models_of_other_layers_are_not_compared(folder: Path, capsys: Captured) -> None:
    options = [*COLUMNS, "--dose", "dose"]
    output_of(capsys, "train", "cells.h5ad", *options, "--layer", "log", *TRAIN, "-o", "log")
    output_of(capsys, "train", "cells.h5ad", *options, *TRAIN, "-o", "x")
    output_of(capsys, "train", "cells.h5ad", *COLUMNS, *TRAIN, "-o", "undosed")
    output_of(capsys, "compare", "log", "log", "cells.h5ad")
    for command in (["compare", "log", "x"], ["verify", "log", "x", "--data"]):
        message = error_of(capsys, *command, "cells.h5ad")
        assert (
            "log was trained with layer 'log', and x with 'X'; compare models of the same data, or" in message
        )
    message = error_of(capsys, "compare", "undosed", "x", "cells.h5ad")
    assert "undosed was trained with dose none, and x with 'dose'; compare models of the same data" in message
    # an option says what to read
    output_of(capsys, "compare", "log", "x", "cells.h5ad", "--layer", "X")
