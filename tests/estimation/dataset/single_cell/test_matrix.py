"""The matrix: dense and sparse, in memory and on disk, a layer, selected genes, and every refusal."""

from __future__ import annotations

import gc
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from estimation.dataset import Dataset
from estimation.dataset.readers.arrays import is_memory_mapped
from estimation.dataset.readers.single_cell import matrix as module
from estimation.dataset.readers.single_cell.matrix import blocks_of
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from tests.estimation.dataset.single_cell.cells import GENES, adata_of, anndata, counts
from tests.seeds import training_seed

OPTIONS: dict[str, Any] = {"perturbation": "perturbation", "control": "ctrl"}
FORMATS: dict[str, Callable[[Any], Any]] = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr_matrix": sp.csr_matrix,
    "csc_matrix": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "csc_array": sp.csc_array,
}


@pytest.fixture(params=list(FORMATS))
def stored(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return FORMATS[request.param]


@pytest.fixture(params=[7, 1 << 23], ids=["small blocks", "one block"])
def block_entries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", request.param)
    return int(request.param)


def written(adata: Any, folder: Path) -> Path:
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


@pytest.mark.usefixtures("block_entries")
def test_every_way_gives_the_same_numbers(stored: Callable[[Any], Any], tmp_path: Path) -> None:
    x = counts()
    adata = adata_of(stored(x))
    adata.layers["twice"] = stored(2 * x)
    path = written(adata, tmp_path)
    backed = anndata.read_h5ad(path, backed="r")
    genes = [3, 0]
    cells = np.arange(40)[::-2]
    ways = {
        "object": Dataset.from_anndata(adata, **OPTIONS),
        "file": Dataset.read(path, **OPTIONS),
        "backed": Dataset.from_anndata(backed, **OPTIONS),
        "on disk": Dataset.from_anndata(adata, memory_map=tmp_path / "x.npy", **OPTIONS),
        "file on disk": Dataset.read(path, memory_map=str(tmp_path / "y.npy"), **OPTIONS),
        "backed in memory": Dataset.from_anndata(backed, memory_map=False, **OPTIONS),
    }
    for way, data in ways.items():
        np.testing.assert_array_equal(data.observations[:, 0], x, err_msg=way)
        np.testing.assert_array_equal(data.actions, ways["object"].actions, err_msg=way)  # type: ignore[arg-type]
        assert data.observations.dtype == np.float32
        assert data.observation_names == GENES
        assert data.action_names == ("A", "B")
        assert is_memory_mapped(data.observations) == (way in ("backed", "on disk", "file on disk"))
    assert ways["file"].name == "cells"
    for source in (adata, backed):
        part = Dataset.from_anndata(source[cells, genes], allow_constant=True, **OPTIONS)
        np.testing.assert_array_equal(part.observations[:, 0], x[np.ix_(cells, genes)])
        twice = Dataset.from_anndata(source, layer="twice", **OPTIONS)
        np.testing.assert_array_equal(twice.observations[:, 0], 2 * x)
    np.testing.assert_array_equal(Dataset.read(path, layer="twice", **OPTIONS).observations[:, 0], 2 * x)
    backed.file.close()


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    name=st.sampled_from(list(FORMATS)),
    entries=st.integers(1, 30),
    data=st.data(),
)
def test_blocks_cover_the_selected_columns_once(
    shape: tuple[int, int], name: str, entries: int, data: st.DataObject
) -> None:
    columns = np.array(data.draw(st.permutations(range(shape[1])))[: data.draw(st.integers(1, shape[1]))])
    x = np.arange(1.0, 1 + shape[0] * shape[1]).reshape(shape)
    result = np.zeros((shape[0], len(columns)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ENTRIES", entries)
        for rows, positions, block in blocks_of(FORMATS[name](x), columns):
            result[rows, positions] += block
    np.testing.assert_array_equal(result, x[:, columns])


@pytest.mark.usefixtures("block_entries")
def test_shuffled_cells_on_disk(stored: Callable[[Any], Any]) -> None:
    adata = adata_of(stored(counts()))
    in_memory = Dataset.from_anndata(adata, shuffle_seed=training_seed(5), **OPTIONS)
    on_disk = Dataset.from_anndata(adata, memory_map=True, shuffle_seed=training_seed(5), **OPTIONS)
    np.testing.assert_array_equal(in_memory.observations, on_disk.observations)
    np.testing.assert_array_equal(in_memory.actions, on_disk.actions)  # type: ignore[arg-type]
    original = Dataset.from_anndata(adata, **OPTIONS)
    rows, shuffled = (
        sorted(map(tuple, np.hstack([data.observations[:, 0], data.actions])))  # type: ignore[list-item]
        for data in (original, in_memory)
    )
    assert rows == shuffled


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "bool", "float16", "float64"])
def test_numbers_of_any_type(dtype: str) -> None:
    x = counts().astype(dtype)
    for form in (np.asarray, sp.csr_matrix) if dtype != "float16" else (np.asarray,):
        data = Dataset.from_anndata(adata_of(form(x)), **OPTIONS)
        np.testing.assert_array_equal(data.observations[:, 0], x.astype(np.float32))
        assert data.observations.dtype == np.float32


def test_rounding_is_as_for_other_data_in_memory_and_noted_on_disk() -> None:
    x = counts().astype(np.float64)
    x[:, 0] += 1e9 + np.arange(40)
    assert Dataset.from_anndata(adata_of(x), **OPTIONS).observations.dtype == np.float64
    on_disk = Dataset.from_anndata(adata_of(x), memory_map=True, **OPTIONS)
    assert on_disk.notes[-1] == "the numbers on disk are rounded to single precision"
    assert "rounded" not in str(Dataset.from_anndata(adata_of(), memory_map=True, **OPTIONS).notes)


def test_selected_genes_and_those_of_the_training_data(tmp_path: Path) -> None:
    adata = adata_of()
    adata.var["highly_variable"] = [True, False, True, True, False]
    chosen = Dataset.from_anndata(adata, genes="highly_variable", **OPTIONS)
    assert chosen.observation_names == ("TP53", "GATA1", "CD4")
    np.testing.assert_array_equal(chosen.observations[:, 0], counts()[:, [0, 2, 3]])
    assert chosen.notes[0] == "3 of 5 genes, selected by 'highly_variable'"
    other = adata[:, ["KLF1", "CD4", "TP53", "GATA1"]].copy()
    for data in (
        Dataset.from_anndata(other, like=chosen, **OPTIONS),
        Dataset.read(written(other, tmp_path), like=chosen, **OPTIONS),
    ):
        assert data.observation_names == chosen.observation_names
        np.testing.assert_array_equal(data.observations, chosen.observations)
    with pytest.raises(DataError, match=r"^2 genes of the training data are missing: 'TP53', 'GATA1'$"):
        Dataset.from_anndata(adata[:, ["CD4", "MYC"]].copy(), like=chosen, **OPTIONS)


@pytest.mark.usefixtures("block_entries")
@pytest.mark.parametrize("memory_map", [True, False])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_refused_entries(form: Callable[[Any], Any], memory_map: bool, tmp_path: Path) -> None:
    target: Any = tmp_path / "x.npy" if memory_map else False
    for value in (np.nan, np.inf, 1e300):
        x = counts().astype(np.float64)
        x[17, 3] = value
        message = (
            rf"^gene 'CD4' is {re.escape(f'{value:g}')} in cell 'c17'; every entry must be a finite number$"
        )
        with pytest.raises(DataError, match=message):
            Dataset.from_anndata(adata_of(form(x)), memory_map=target, **OPTIONS)
    x = counts()
    x[:, [1, 4]] = 0
    message = (
        r"^2 genes are zero in all cells: 'MYC', 'KLF1'; select genes by a boolean column of .var \(genes\), or pass "
        r"allow_constant$"
    )
    with pytest.raises(DataError, match=message):
        Dataset.from_anndata(adata_of(form(x)), memory_map=target, **OPTIONS)
    x[:, 1] = 2
    with pytest.raises(DataError, match=r"^2 genes are constant in all cells: 'MYC', 'KLF1'; select genes"):
        Dataset.from_anndata(adata_of(form(x)), memory_map=target, **OPTIONS)
    data = Dataset.from_anndata(adata_of(form(x)), memory_map=target, allow_constant=True, **OPTIONS)
    np.testing.assert_array_equal(data.observations[:, 0], x)
    assert os.listdir(tmp_path) == (["x.npy"] if memory_map else [])


def test_refused_objects() -> None:
    with pytest.raises(DataError, match=r"^adata is ndarray; it must be an AnnData object$"):
        Dataset.from_anndata(counts(), **OPTIONS)
    modalities = type("MuData", (), {"mod": {}})()
    with pytest.raises(
        DataError, match=r"^adata is MuData; it must be an AnnData object; take one of its modalities"
    ):
        Dataset.from_anndata(modalities, **OPTIONS)
    adata = adata_of(counts().astype(np.complex64))
    with pytest.raises(DataError, match=r"^the matrix holds complex numbers; it must hold real numbers$"):
        Dataset.from_anndata(adata, **OPTIONS)
    with pytest.raises(DataError, match=r"^layer: there is no layer 'log'; the data have X and no layers$"):
        Dataset.from_anndata(adata, layer="log", **OPTIONS)
    adata.layers["a"] = adata.layers["b"] = counts()
    with pytest.raises(
        DataError, match=r"^layer: there is no layer 'log'; the data have X and layers 'a', 'b'$"
    ):
        Dataset.from_anndata(adata, layer="log", **OPTIONS)
    del adata.X
    with pytest.raises(DataError, match=r"^X is missing; choose a layer \(the data have layers 'a', 'b'\)$"):
        Dataset.from_anndata(adata, **OPTIONS)
    assert len(Dataset.from_anndata(adata, layer="a", **OPTIONS)) == 40
    with pytest.raises(
        DataError, match=r"^the data have 0 cells and 5 genes; there must be at least one of each$"
    ):
        Dataset.from_anndata(adata_of()[:0].copy(), **OPTIONS)
    twins = adata_of(genes=["a", "b", "a", "c", "d"])
    with pytest.raises(
        DataError, match=r"^gene 'a' occurs 2 times; make the names unique, for instance with adata.var_"
    ):
        Dataset.from_anndata(twins, **OPTIONS)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("hv", r"^genes: .var has no column called 'hv'; the columns are 'mask', 'none'$"),
        ("mask", r"^genes: column 'mask' of .var is float64; it must hold true and false$"),
        ("none", r"^genes: column 'none' of .var selects no gene$"),
    ],
)
def test_refused_selections_of_genes(column: str, message: str) -> None:
    adata = adata_of()
    adata.var["mask"], adata.var["none"] = np.ones(5), np.zeros(5, dtype=bool)
    with pytest.raises(DataError, match=message):
        Dataset.from_anndata(adata, genes=column, **OPTIONS)


def test_a_matrix_larger_than_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_physical_memory", lambda: 100.0)
    message = (
        r"^the matrix of 40 cells and 5 genes takes 8e-07 GB, more than the memory; keep it on disk with memory_map, "
        r"or select genes$"
    )
    with pytest.raises(DataError, match=message):
        Dataset.from_anndata(adata_of(), **OPTIONS)


def test_the_file_of_the_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.npy"
    target.write_text("old")
    data = Dataset.from_anndata(adata_of(), memory_map=target, **OPTIONS)
    np.testing.assert_array_equal(np.load(target), counts())
    assert data.notes[1] == f"the matrix (0.0008 MB) is kept on disk in {target}"
    with pytest.raises(
        DataError, match=r"^memory_map is .*x.txt; the matrix is written as NPY, so end the name in .npy$"
    ):
        Dataset.from_anndata(adata_of(), memory_map=tmp_path / "x.txt", **OPTIONS)
    with pytest.raises(FileAccessError, match=r"x.npy: No such file or directory; nothing was written$"):
        Dataset.from_anndata(adata_of(), memory_map=tmp_path / "none" / "x.npy", **OPTIONS)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(FileAccessError, match=r"x.npy: No space left on device; nothing was written$"):
        Dataset.from_anndata(adata_of(), memory_map=target, **OPTIONS)
    assert os.listdir(tmp_path) == ["x.npy"]


def test_a_temporary_file_lives_as_long_as_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    data = Dataset.from_anndata(adata_of(), memory_map=True, **OPTIONS)
    assert "which is removed when the data are no longer used" in data.notes[1]
    part = data.take(slice(3, 5))
    copied = pickle.loads(pickle.dumps(part))
    del data
    gc.collect()
    assert len(list(tmp_path.rglob("*.npy"))) == 1
    np.testing.assert_array_equal(part.observations[:, 0], counts()[3:5])
    del part
    gc.collect()
    assert os.listdir(tmp_path) == []
    np.testing.assert_array_equal(copied.observations[:, 0], counts()[3:5])


def test_cells_in_the_order_of_their_perturbations_are_noted_on_disk() -> None:
    labels = ["ctrl"] * 10 + ["A"] * 15 + ["B"] * 15 + ["C"] * 20
    adata = adata_of(counts(60), labels=labels)
    data = Dataset.from_anndata(adata, memory_map=True, **OPTIONS)
    assert "hold" not in data.notes[-1]
    adata = adata_of(counts(1000), labels=[f"p{k // 20}" for k in range(980)] + ["ctrl"] * 20)
    data = Dataset.from_anndata(adata, memory_map=True, **OPTIONS)
    assert data.notes[-1] == (
        "the last 50 cells, which training holds out of data on disk, have 2 perturbations, where 31 are expected of "
        "cells in random order; shuffle the cells (shuffle_seed)"
    )
    shuffled = Dataset.from_anndata(adata, memory_map=True, shuffle_seed=training_seed(), **OPTIONS)
    assert "hold" not in str(shuffled.notes)
