"""Single-cell data are read like the training data: the same columns and layer, unless options say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.annotation import annotate
from estimation.checkpoint import load
from estimation.config import TrainingConfig
from estimation.dataset import Dataset
from estimation.dataset.alignment import align
from estimation.dataset.readers.roles import Roles
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.exceptions import DataError
from estimation.training import fit
from tests.estimation.dataset.single_cell.cells import adata_of, counts
from tests.seeds import training_seed

OPTIONS: dict[str, Any] = {
    "perturbation": "perturbation",
    "control": "ctrl",
    "separator": "/",
    "dose": "dose",
    "layer": "log",
    "covariates": ["batch", "depth"],
}


def cells(**obs: Any) -> Any:
    """Cells with joined perturbations and doses, a batch, a depth, and a layer of logarithms."""
    adata = adata_of(obs={"batch": ["b1", "b2"] * 20, "depth": np.linspace(1, 9.5, 40)})
    labels = adata.obs["perturbation"].astype(str).str.replace("+", "/", regex=False)
    adata.obs["perturbation"] = labels
    adata.obs["dose"] = ["/".join("1.5" for _ in label.split("/")) for label in labels]
    adata.layers["log"] = np.log1p(counts())
    for name, column in obs.items():
        adata.obs[name] = column
    return adata


@pytest.fixture(scope="module")
def training() -> Dataset:
    return Dataset.from_anndata(cells(), **OPTIONS)


@pytest.fixture(scope="module")
def folder(training: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainingConfig(
        n_latents=2, max_edges_actions=3, steps=5, width=8, depth=1, unmixing=False, seed=training_seed()
    )
    folder = tmp_path_factory.mktemp("model")
    fit(training, config, progress=False).save(folder)
    return folder


def test_nothing_is_given_again(training: Dataset, folder: Path, tmp_path: Path) -> None:
    training.write(tmp_path / "training.npz")
    cells().write_h5ad(tmp_path / "cells.h5ad")
    for like in (training, load(folder), Dataset.read(tmp_path / "training.npz")):
        for data in (
            Dataset.from_anndata(cells(), like=like),
            Dataset.read(tmp_path / "cells.h5ad", like=like),
        ):
            assert align(data, like) is data
            assert data.covariate_categories == {"batch": ("b1", "b2")}
            for name in ("observations", "actions", "covariates"):
                np.testing.assert_array_equal(getattr(data, name), getattr(training, name))


def test_options_override_what_was_read(training: Dataset) -> None:
    renamed = cells()
    renamed.obs = renamed.obs.rename(columns={"perturbation": "guide"})
    data = Dataset.from_anndata(renamed, perturbation="guide", like=training)
    np.testing.assert_array_equal(data.actions, training.actions)  # type: ignore[arg-type]
    x = Dataset.from_anndata(cells(), layer="X", like=training)
    np.testing.assert_array_equal(x.observations[:, 0], counts())
    undosed = Dataset.from_anndata(cells(), dose=(), like=training)
    np.testing.assert_array_equal(undosed.actions, training.actions != 0)  # type: ignore[operator]
    assert Dataset.from_anndata(cells(), covariates="depth", like=training).covariate_names == ("depth",)
    assert Dataset.from_anndata(cells(), perturbation=(), like=training).n_actions == 0
    joined = cells(perturbation=["A+B", "ctrl"] * 20, dose=["1.5+1.5", "0"] * 20)
    assert Dataset.from_anndata(joined, separator="+", like=training).actions[0].tolist() == [1.5, 1.5]  # type: ignore[index]


def test_a_layer_may_be_called_x() -> None:
    adata = cells()
    adata.layers["X"] = 2 * counts()
    data = Dataset.from_anndata(adata, layer="X", allow_constant=True)
    np.testing.assert_array_equal(data.observations[:, 0], 2 * counts())


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (
            "perturbation",
            r"perturbation: .obs has no column called 'perturbation'; the columns are 'batch', 'depth'",
        ),
        ("dose", r"dose: .obs has no column called 'dose'; the columns are"),
        ("batch", r"covariates: .obs has no column called 'batch'; the columns are"),
    ],
)
def test_a_missing_column_is_named(lacking: str, message: str, training: Dataset, tmp_path: Path) -> None:
    adata = cells()
    del adata.obs[lacking]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(DataError, match=message):
        Dataset.from_anndata(adata, like=training)
    with pytest.raises(DataError, match=rf"cells.h5ad: {message}"):
        Dataset.read(tmp_path / "cells.h5ad", like=training)


def test_a_missing_layer_is_named(training: Dataset) -> None:
    adata = cells()
    del adata.layers["log"]
    with pytest.raises(DataError, match=r"layer: there is no layer 'log'; the data have X and no layers"):
        Dataset.from_anndata(adata, like=training)


def test_annotations_take_the_layer_and_the_covariates(training: Dataset, folder: Path) -> None:
    model, adata = load(folder), cells()
    # the perturbations aren't needed
    del adata.obs["perturbation"]
    annotate(adata, model)
    np.testing.assert_allclose(adata.obsm["X_mechsparse"], model.encode_dataset(training)[:, 0], atol=1e-6)
    assert adata.uns["mechsparse"]["params"]["layer"] == "log"
    annotate(adata, model, layer="X")
    expected = model.encode(counts(), training.covariates)
    np.testing.assert_allclose(adata.obsm["X_mechsparse"], expected, atol=1e-6)


def test_a_table_has_the_covariates_of_the_cells(training: Dataset, tmp_path: Path) -> None:
    frame = cells().to_df(layer="log")
    frame[["A", "B"]] = training.actions
    frame = frame.join(cells().obs[["batch", "depth"]])
    frame.to_csv(tmp_path / "cells.csv", index=False)
    data = Dataset.read(tmp_path / "cells.csv", like=training)
    assert data.covariate_names == training.covariate_names
    np.testing.assert_allclose(data.covariates, training.covariates, rtol=1e-6)  # type: ignore[arg-type]


def test_earlier_versions_stored_no_columns(training: Dataset) -> None:
    assert training.roles is not None
    stored = training.roles.to_dict()
    options = AnnDataOptions("perturbation", "ctrl", "/", "dose", "log")
    assert Roles.from_dict(stored).anndata == options
    del stored["anndata"]
    assert Roles.from_dict(stored).anndata is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            3,
            r"the options of AnnData are damaged; they must be perturbation, control, separator, dose, layer",
        ),
        ({"layer": "log"}, r"the options of AnnData are damaged; they must be perturbation"),
        (
            {"perturbation": 3, "control": None, "separator": None, "dose": None, "layer": None},
            r"the options of AnnData are damaged; perturbation must be text",
        ),
        (
            {"perturbation": None, "control": None, "separator": None, "dose": None, "layer": ["a"]},
            r"the options of AnnData are damaged; layer must be text",
        ),
    ],
)
def test_damaged_options_are_refused(content: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        AnnDataOptions.from_dict(content)
