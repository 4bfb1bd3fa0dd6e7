"""Results in AnnData objects and files: matched by name, serialisable, and every refusal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from estimation.annotation import annotate, annotate_file
from estimation.config import BaselineConfig, TrainingConfig
from estimation.dataset import Dataset
from estimation.exceptions import DataError
from estimation.trained import TrainedModel
from estimation.training import fit
from identify.entanglement import predict_entanglement
from identify.exceptions import FileAccessError
from tests.estimation.dataset.single_cell.cells import adata_of, anndata, counts
from tests.seeds import training_seed

OPTIONS: dict[str, Any] = {"perturbation": "perturbation", "control": "ctrl"}
TINY: dict[str, Any] = {
    "n_latents": 2,
    "steps": 20,
    "batch_size": 32,
    "width": 8,
    "depth": 1,
    "transition_width": 4,
    "flow_blocks": 0,
    "refinements": 0,
    "unmixing": False,
}


def cells(n: int = 400, **columns: Any) -> Any:
    return adata_of(counts(n), obs={"batch": [f"b{k % 3}" for k in range(n)], **columns})


def trained(adata: Any, **options: Any) -> TrainedModel:
    config = TrainingConfig(**TINY, max_edges_actions=2, seed=training_seed())
    return fit(Dataset.from_anndata(adata, **OPTIONS, **options), config)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return trained(cells())


def test_latents_and_effects(model: TrainedModel) -> None:
    adata = cells()
    annotate(adata, model)
    data = Dataset.from_anndata(adata, **OPTIONS)
    latents = model.encode_dataset(data)[:, 0]
    np.testing.assert_allclose(adata.obsm["X_mechsparse"], latents, atol=1e-5)
    # the same means of derivatives, by finite differences of the decoder
    step, scale = 1e-2, model.model.x_scale.numpy()
    expected = np.empty((5, 2))
    for j in range(2):
        shift = np.eye(2, dtype=np.float32)[j] * step
        change = model.decode(latents + shift) - model.decode(latents - shift)
        expected[:, j] = change.mean(axis=0) / (2 * step) / scale * latents[:, j].std()
    np.testing.assert_allclose(adata.varm["mechsparse"], expected, atol=2e-2)


def test_the_effects_of_a_linear_decoder_are_its_standardised_coefficients(model: TrainedModel) -> None:
    weights = np.array([[1.0, 0], [0, 2], [3, -1], [0, 0], [1, 1]], dtype=np.float32)
    adata = cells()

    class Linear(torch.nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return z @ torch.from_numpy(weights).T

    network = model.model
    before = network.decoder
    try:
        network.decoder = Linear()
        annotate(adata, model)
    finally:
        network.decoder = before
    deviations = adata.obsm["X_mechsparse"].std(axis=0)
    np.testing.assert_allclose(adata.varm["mechsparse"], weights * deviations, rtol=1e-4)


def test_the_effects_on_counts_are_log_fold_changes() -> None:
    adata = cells()
    config = TrainingConfig(**TINY, max_edges_actions=2, likelihood="negative_binomial", seed=training_seed())
    data = Dataset.from_anndata(adata, **OPTIONS)
    # rows without any count have no size
    some = data.take(np.flatnonzero(data.observations.sum(axis=(1, 2)) > 0))
    model = fit(some, config)
    adata = adata[np.flatnonzero(adata.X.sum(axis=1) > 0)].copy()
    annotate(adata, model)
    latents, step = model.encode_dataset(some)[:, 0], 1e-2
    np.testing.assert_allclose(adata.obsm["X_mechsparse"], latents, atol=1e-5)
    expected = np.empty((5, 2))
    for j in range(2):
        shift = np.eye(2, dtype=np.float32)[j] * step
        change = np.log(model.decode(latents + shift)) - np.log(model.decode(latents - shift))
        expected[:, j] = change.mean(axis=0) / (2 * step) * latents[:, j].std()
    np.testing.assert_allclose(adata.varm["mechsparse"], expected, atol=2e-2)


def test_the_learned_graph(model: TrainedModel) -> None:
    adata = cells()
    annotate(adata, model, key="run1")
    learned = adata.uns["run1"]
    assert set(adata.obsm) == {"X_run1"}
    assert set(adata.varm) == {"run1"}
    graph = model.graph
    np.testing.assert_array_equal(learned["Ga"], graph.Ga.toarray())
    np.testing.assert_array_equal(learned["entanglement"], predict_entanglement(graph).matrix.toarray())
    edges = learned["edges"]
    assert [tuple(row) for row in edges[edges["learned"]][["cause", "latent"]].to_numpy()] == graph.edges()
    assert set(edges["kind"]) == {"action"}
    for k, block in enumerate(predict_entanglement(graph).blocks):
        assert (learned["latents"]["block"].to_numpy()[list(block)] == k).all()
    assert list(learned["latents"].index) == list(graph.latents)
    assert list(learned["actions"]) == ["A", "B"]
    assert learned["params"] == {"method": "sparse_vae", "layer": "X"}


@pytest.mark.parametrize("backed", [False, True])
def test_the_round_trip_through_a_file(model: TrainedModel, backed: bool, tmp_path: Path) -> None:
    adata = cells()
    adata.write_h5ad(tmp_path / "in.h5ad")
    annotate(adata, model)
    if backed:
        on_disk = anndata.read_h5ad(tmp_path / "in.h5ad", backed="r")
        annotate(on_disk, model)
        np.testing.assert_allclose(on_disk.obsm["X_mechsparse"], adata.obsm["X_mechsparse"], atol=1e-6)
        on_disk.file.close()
        annotate_file(tmp_path / "in.h5ad", model, tmp_path / "out.h5ad")
    else:
        adata.write_h5ad(tmp_path / "out.h5ad")
    read = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(read.obsm["X_mechsparse"], adata.obsm["X_mechsparse"], atol=1e-6)
    np.testing.assert_allclose(read.varm["mechsparse"], adata.varm["mechsparse"], atol=1e-6)
    np.testing.assert_array_equal(read.X, adata.X)
    pd.testing.assert_frame_equal(read.obs, anndata.read_h5ad(tmp_path / "in.h5ad").obs)
    ours, theirs = adata.uns["mechsparse"], read.uns["mechsparse"]
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        if isinstance(value, pd.DataFrame):
            assert value.astype(str).to_numpy().tolist() == theirs[name].astype(str).to_numpy().tolist()
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(theirs[name], value)
        else:
            assert theirs[name] == value


def test_genes_are_matched_by_name(model: TrainedModel, tmp_path: Path) -> None:
    adata = cells()
    annotate(adata, model)
    more = np.hstack([counts(400), counts(400, seed=3)[:, :2]])[:, [6, 4, 3, 2, 1, 0, 5]]
    other = adata_of(more, genes=["new", "KLF1", "CD4", "GATA1", "MYC", "TP53", "newer"])
    for form in (np.asarray, sp.csr_matrix, sp.csc_matrix):
        other.X = form(more)
        annotate(other, model)
        np.testing.assert_allclose(other.obsm["X_mechsparse"], adata.obsm["X_mechsparse"], atol=1e-5)
        np.testing.assert_allclose(other.varm["mechsparse"][5:0:-1], adata.varm["mechsparse"], atol=1e-5)
        assert np.isnan(other.varm["mechsparse"][[0, 6]]).all()
        other.write_h5ad(tmp_path / "other.h5ad")
        result = annotate_file(tmp_path / "other.h5ad", model, tmp_path / "other.h5ad", key="again")
        np.testing.assert_allclose(result.latents, adata.obsm["X_mechsparse"], atol=1e-5)
    read = anndata.read_h5ad(tmp_path / "other.h5ad")
    assert set(read.obsm) == {"X_mechsparse", "X_again"}
    with pytest.raises(DataError, match=r"^1 gene of the training data is missing: 'MYC'$"):
        annotate(adata[:, ["TP53", "GATA1", "CD4", "KLF1"]].copy(), model)


def test_covariates_come_from_the_table_of_the_cells() -> None:
    adata = cells(depth=np.linspace(0, 1, 400))
    model = trained(adata, covariates=["batch", "depth"])
    annotate(adata, model)
    data = Dataset.from_anndata(adata, covariates=["batch", "depth"], **OPTIONS)
    np.testing.assert_allclose(adata.obsm["X_mechsparse"], model.encode_dataset(data)[:, 0], atol=1e-5)
    one_batch = adata[adata.obs["batch"] == "b1"].copy()
    before = one_batch.obsm.pop("X_mechsparse")
    annotate(one_batch, model)
    np.testing.assert_allclose(one_batch.obsm["X_mechsparse"], before, atol=1e-5)
    one_batch.obs["batch"] = "b9"
    with pytest.raises(
        DataError, match=r"^covariate 'batch' is 'b9' in row 0, on which the model was not trained"
    ):
        annotate(one_batch, model)
    del one_batch.obs["batch"]
    with pytest.raises(DataError, match=r"^covariates: .obs has no column called 'batch'; the columns are "):
        annotate(one_batch, model)


def test_a_method_without_a_graph(tmp_path: Path) -> None:
    settings = {name: TINY[name] for name in ("n_latents", "steps", "batch_size", "width", "depth")}
    adata = cells()
    config = BaselineConfig("tcvae", **settings, seed=training_seed())
    annotate(adata, fit(Dataset.from_anndata(adata, **OPTIONS), config))
    assert set(adata.uns["mechsparse"]) == {"params", "actions", "warnings", "latents"}
    assert adata.obsm["X_mechsparse"].shape == (400, 2)
    adata.write_h5ad(tmp_path / "cells.h5ad")


def test_refused(model: TrainedModel, tmp_path: Path) -> None:
    adata = cells()
    with pytest.raises(
        DataError, match=r"^adata is a view, which can't be written to; copy it first: adata = adata.copy"
    ):
        annotate(adata[:10], model)
    for key in ("", "a/b"):
        with pytest.raises(DataError, match=rf"^key is '{key}'; it must be printable text without a slash$"):
            annotate(adata, model, key=key)
    with pytest.raises(DataError, match=r"^layer: there is no layer 'log'; the data have X and no layers$"):
        annotate(adata, model, layer="log")
    unnamed = Dataset.from_arrays(counts(400), [[k % 2] for k in range(400)])
    config = TrainingConfig(**TINY, max_edges_actions=2, seed=training_seed())
    with pytest.raises(
        DataError, match=r"^the model was trained on data without names, so that its genes can't be found"
    ):
        annotate(adata, fit(unnamed, config))
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(DataError, match=r"out.csv: the suffix must be .h5ad$"):
        annotate_file(tmp_path / "cells.h5ad", model, tmp_path / "out.csv")
    with pytest.raises(FileAccessError, match=r"out.h5ad: No such file or directory; nothing was written$"):
        annotate_file(tmp_path / "cells.h5ad", model, tmp_path / "no folder" / "out.h5ad")
    with pytest.raises(DataError, match=r"cells.h5ad: layer: there is no layer 'log'"):
        annotate_file(tmp_path / "cells.h5ad", model, tmp_path / "out.h5ad", layer="log")
    assert os.listdir(tmp_path) == ["cells.h5ad"]
    adata.X[3, 2] = np.inf
    with pytest.raises(
        DataError, match=r"^observations hold an entry that is not finite; remove or fill it first$"
    ):
        annotate(adata, model)


# scanpy and what it imports use deprecated functions
@pytest.mark.filterwarnings("ignore")
def test_scanpy_draws_the_latents(model: TrainedModel) -> None:
    scanpy = pytest.importorskip("scanpy")
    adata = cells()
    annotate(adata, model)
    axes = scanpy.pl.embedding(adata, basis="X_mechsparse", color="batch", show=False)
    assert len(axes.collections[0].get_offsets()) == 400
