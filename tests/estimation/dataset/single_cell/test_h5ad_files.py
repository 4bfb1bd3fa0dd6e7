"""Files that are damaged, of another kind or another version, and options that don't apply, are refused in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from estimation.dataset import Dataset
from estimation.dataset.readers.single_cell.sources import opened_h5ad
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError, IdentifyError
from tests.estimation.dataset.single_cell.cells import adata_of, counts

h5py = pytest.importorskip("h5py")

OPTIONS: dict[str, Any] = {"perturbation": "perturbation", "control": "ctrl"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    adata_of(sp.csr_matrix(counts())).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    with pytest.raises(FileAccessError, match=r"cells.h5ad: no such file$"):
        Dataset.read(path)
    for content in (b"", b"gene,cell\n1,2\n", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"^.*cells.h5ad: is not an .h5ad file: [^\n]+$"):
            Dataset.read(path)
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(3)
    message = r"cells.h5ad: is not an .h5ad file that anndata 0.7 or newer wrote: it has no table 'obs'$"
    with pytest.raises(DataError, match=message):
        Dataset.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(IdentifyError, match=r"cells.h5ad"):
        Dataset.read(path)


def test_truncated_files_are_refused(path: Path) -> None:
    content = path.read_bytes()
    whole = Dataset.read(path, **OPTIONS)
    for share in np.linspace(0, 1, 40):
        path.write_bytes(content[: int(len(content) * share)])
        if share < 1:
            with pytest.raises(DataError, match=r"^[^\n]*cells.h5ad: is not an .h5ad file: [^\n]+$"):
                Dataset.read(path, **OPTIONS)
            continue
        data = Dataset.read(path, **OPTIONS)
        np.testing.assert_array_equal(data.observations, whole.observations)


def test_elements_that_contradict_each_other(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["X"].attrs["shape"] = [40, 6]
    with pytest.raises(DataError, match=r"cells.h5ad: X has the shape \(40, 6\) for 40 cells and 5 genes$"):
        Dataset.read(path, **OPTIONS)
    with h5py.File(path, "r+") as file:
        del file["X"]
    with pytest.raises(
        DataError, match=r"cells.h5ad: X is missing; choose a layer \(the data have no layers\)$"
    ):
        Dataset.read(path, **OPTIONS)
    with h5py.File(path, "r+") as file:
        file.create_group("X")
    with pytest.raises(DataError, match=r"cells.h5ad: is not an .h5ad file"):
        Dataset.read(path, **OPTIONS)


def test_options_of_other_files(path: Path, tmp_path: Path) -> None:
    for options in ({"observations": "x"}, {"categorical": "drug"}, {"episode": "day"}, {"images": "file"}):
        name = next(iter(options))
        message = rf"cells.h5ad: the option {name} doesn't apply to this kind of file; leave it out$"
        with pytest.raises(DataError, match=message):
            Dataset.read(path, **options)  # type: ignore[arg-type]
    np.save(tmp_path / "x.npy", counts())
    with pytest.raises(DataError, match=r"x.npy: perturbation, control is for .h5ad files; leave it out$"):
        Dataset.read(tmp_path / "x.npy", **OPTIONS)
    with pytest.raises(DataError, match=r"x.npy: memory_map names a file, y.npy, which is for .h5ad files$"):
        Dataset.read(tmp_path / "x.npy", memory_map="y.npy")
    with pytest.raises(TypeError, match="unexpected keyword argument 'pertubation'"):
        Dataset.read(path, pertubation="perturbation")  # type: ignore[call-arg]


def test_errors_name_the_file(path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cells.h5ad: layer: there is no layer 'log'; the data have X and no layers$"
    ):
        Dataset.read(path, layer="log", **OPTIONS)
    with pytest.raises(DataError, match=r"cells.h5ad: control: no cell has the label 'none'; "):
        Dataset.read(path, perturbation="perturbation", control="none")


def test_without_a_perturbation_there_are_no_actions(path: Path) -> None:
    data = Dataset.read(path)
    assert (data.n_actions, data.n_observed) == (0, 5)


@pytest.mark.parametrize("module", ["h5py", "anndata.io"])
def test_without_the_packages(module: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    package = module.partition(".")[0]
    message = rf"^an .h5ad file needs the package {package}; install mechsparse\[anndata\]$"
    with pytest.raises(DataError, match=message):
        Dataset.read(path)


def test_a_file_is_closed_after_reading(path: Path) -> None:
    with opened_h5ad(path) as source:
        assert source.layers == ()
    Dataset.read(path, **OPTIONS)
    with h5py.File(path, "r+") as file:
        file.attrs["closed"] = True
    assert os.path.getsize(path) > 0


def test_a_dataset_of_anndata_is_written_and_read(path: Path, tmp_path: Path) -> None:
    data = Dataset.read(path, **OPTIONS)
    data.write(tmp_path / "d.npz")
    again = Dataset.read(tmp_path / "d.npz")
    np.testing.assert_array_equal(again.observations, data.observations)
    assert (again.action_names, again.observation_names) == (data.action_names, data.observation_names)
    # new cells with one of the perturbations, read like the data
    part = adata_of(counts(2), labels=["B", "B"])
    np.testing.assert_array_equal(Dataset.from_anndata(part, like=again, **OPTIONS).actions, [[0, 1]] * 2)  # type: ignore[arg-type]
