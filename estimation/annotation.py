"""`annotate`: what a trained model has learned, written into AnnData objects and ``.h5ad`` files.

===========================  =================================================================================
place                        contents
===========================  =================================================================================
``.obsm["X_mechsparse"]``    posterior means of the latents, shape (cells, n)
``.varm["mechsparse"]``      effects of the latents on the genes, shape (genes, n); NaN for genes that the model
                             doesn't have. Missing for a method without a decoder
``.uns["mechsparse"]``       ``latents``, ``edges`` (tables), ``Ga``, ``Gz``, ``entanglement`` (matrices), ``actions``,
                             ``warnings`` (texts), ``params``; see `annotate`
===========================  =================================================================================

The effect of latent j on gene i is the mean, over at most 2,000 cells, of dx_i / dz_j times std(z_j) / std(x_i): by how
many standard deviations of the training data the decoder changes the gene, if the latent changes by one standard
deviation over these cells (ours; for a linear decoder it is the standardised regression coefficient). With a likelihood
of counts it is the mean of d log(rate_i) / dz_j times std(z_j), the natural logarithm of a fold change. Effects are
signed, so that opposite effects in different cells cancel.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from estimation.dataset.covariate_categories import covariate_columns_of
from estimation.dataset.covariates import aligned_covariates
from estimation.dataset.readers.files import import_optional, parsing, shortened, shown_path
from estimation.dataset.readers.single_cell.covariates import covariates_of
from estimation.dataset.readers.single_cell.matrix import blocks_of
from estimation.dataset.readers.single_cell.reader import selected_genes
from estimation.dataset.readers.single_cell.sources import FILE_ERRORS, Source, opened_h5ad, source_of
from estimation.device import default_modes
from estimation.exceptions import DataError
from identify.entanglement import predict_entanglement
from identify.exceptions import FileAccessError

if TYPE_CHECKING:
    from estimation.trained import TrainedModel

__all__ = ["KEY", "CellAnnotation", "annotate", "annotate_file", "annotation_of"]

Array = NDArray[np.floating]

#: The key of the results, and after ``X_`` that of the latents.
KEY = "mechsparse"

_MAX_CELLS = 2_000
_CHUNK_NUMBERS = 1 << 22


@dataclass(frozen=True, eq=False)
class CellAnnotation:
    """What a model has learned, aligned with the cells and genes of the data.

    Attributes:
        latents: Posterior means, shape (cells, n), float32.
        effects: Effects of the latents on all genes of the data, shape (genes, n); None without a decoder.
        learned: Graph, confidence and predicted entanglement, as `annotate` describes them.
    """

    latents: NDArray[np.float32]
    effects: NDArray[np.float32] | None
    learned: dict[str, Any]


def annotate(adata: Any, model: TrainedModel, *, layer: str | None = None, key: str = KEY) -> None:
    """Write the latents of the cells, their effects on genes, and the learned graph into an AnnData object.

    Genes are matched by name, in any order; further genes are left out. Covariates are taken from the columns of
    ``.obs`` that the model was trained with. Entries of the same keys are replaced.

    ``adata.uns[key]`` is written by ``AnnData.write_h5ad``. It has ``latents``, a table with the predicted
    ``block`` of each latent (latents of one block may be mixed) and the ``confidence`` that it mixes with no other than
    the graph allows; ``edges``, a table of all possible edges with ``cause``, ``kind`` (``action`` or ``past``),
    ``latent``, ``learned`` and ``confidence``; ``Ga`` and ``Gz``, whose rows are children; ``entanglement``, V, whose
    entry (i, j) says that learned latent j may enter true latent i; ``actions``, ``warnings``, and ``params``.

    Args:
        adata: The object, in memory or backed; not a view.
        model: A trained model.
        layer: The layer to read; None for the one that the model was trained on, ``"X"`` for ``X``.
        key: Key of the results.

    Raises:
        DataError: If genes, a layer or a covariate of the model are missing, or an entry is not a finite number.

    Example:
        >>> annotate([[1.0]], None)
        Traceback (most recent call last):
        estimation.exceptions.DataError: adata is list; it must be an AnnData object
    """
    _require_key(key)
    source = source_of(adata)
    if adata.is_view:
        raise DataError("adata is a view, which can't be written to; copy it first: adata = adata.copy()")
    annotation = annotation_of(source, model, layer)
    adata.obsm[f"X_{key}"] = annotation.latents
    if annotation.effects is not None:
        adata.varm[key] = annotation.effects
    adata.uns[key] = annotation.learned


def annotate_file(
    path: str | os.PathLike[str],
    model: TrainedModel,
    out: str | os.PathLike[str],
    *,
    layer: str | None = None,
    key: str = KEY,
) -> CellAnnotation:
    """Write an annotated copy of an ``.h5ad`` file, as `annotate` does; everything else in the file stays as it is.

    The matrix is read in blocks, so that it need not fit in memory.

    Args:
        path: The file.
        model: A trained model.
        out: The file to write, as a whole or not at all; it may be the same file.
        layer: The layer to read; None for the one that the model was trained on, ``"X"`` for ``X``.
        key: Key of the results.

    Raises:
        DataError: If the file is damaged, or as for `annotate`.
        FileAccessError: If a file can't be read or written.
    """
    if Path(out).suffix.lower() != ".h5ad":
        raise DataError(f"{shown_path(out)}: the suffix must be .h5ad")
    _require_key(key)
    with opened_h5ad(path) as source, parsing(path, "an .h5ad file", FILE_ERRORS):
        annotation = annotation_of(source, model, layer)
    target = Path(os.path.realpath(out))
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        shutil.copyfile(path, partial)
        _write_elements(partial, annotation, key)
        os.replace(partial, target)
    except OSError as error:
        raise FileAccessError(f"{shown_path(out)}: {error.strerror or error}; nothing was written") from error
    finally:
        partial.unlink(missing_ok=True)
    return annotation


@default_modes
@torch.no_grad()
def annotation_of(source: Source, model: TrainedModel, layer: str | None = None) -> CellAnnotation:
    """Return what a model has learned about single-cell data.

    Args:
        source: The data.
        model: A trained model.
        layer: The layer to read; None for the one that the model was trained on.

    Raises:
        DataError: As for `annotate`.
    """
    if not model.observation_names:
        raise DataError(
            "the model was trained on data without names, so that its genes can't be found; train it on AnnData, or "
            "give observation_names"
        )
    if layer is None and model.roles is not None and model.roles.anndata is not None:
        layer = model.roles.anndata.layer
    columns, _, _ = selected_genes(source, None, model.observation_names)
    matrix = source.matrix(layer)
    if getattr(matrix, "format", None) == "csc":
        # encoding needs whole rows
        matrix = (matrix.to_memory() if hasattr(matrix, "to_memory") else matrix).tocsr()
    covariates = _covariates(source, model)
    latents = np.empty((len(source.cells), model.model.shape.n_latents), dtype=np.float32)
    for rows, _, block in blocks_of(matrix, columns):
        latents[rows] = model.encode(block, None if covariates is None else covariates[rows])
    return CellAnnotation(
        latents, _effects(model, latents, columns, len(source.genes)), _learned(model, layer)
    )


def _require_key(key: str) -> None:
    # a slash separates groups of an .h5ad file
    if not key or not key.isprintable() or "/" in key:
        raise DataError(f"key is {shortened(key)}; it must be printable text without a slash")


def _covariates(source: Source, model: TrainedModel) -> Array | None:
    """Return the covariates of a model, shape (cells, d_c), from the columns of ``.obs`` that they are named after."""
    if not model.covariate_names:
        return None
    columns = covariate_columns_of(model.covariate_names, model.covariate_categories)
    found = covariates_of(source.obs, source.cells, columns, allow_constant=True)
    assert found is not None
    return aligned_covariates(
        found.values, found.names, model.covariate_names, "the model", model.covariate_categories
    )


def _effects(
    model: TrainedModel, latents: NDArray[np.float32], columns: NDArray[np.intp], n_genes: int
) -> NDArray[np.float32] | None:
    """Return the mean standardised Jacobian of the decoder, of logarithms for counts, shape (genes, n)."""
    network = model.model
    if not network.has_decoder:
        return None
    chosen = np.unique(np.linspace(0, len(latents) - 1, _MAX_CELLS).astype(int))
    points = torch.from_numpy(latents[chosen]).to(network.x_mean)
    size = max(1, _CHUNK_NUMBERS // (network.shape.n_observed * network.shape.n_latents))
    total = np.zeros((len(columns), latents.shape[1]))
    is_logarithmic = getattr(network, "counts", None) is not None
    for part in torch.split(points, size):
        observations, jacobian = network.observation_jacobian(part)
        jacobian = jacobian / observations[..., None] if is_logarithmic else jacobian
        total += jacobian.double().sum(0).cpu().numpy()
    deviation = latents.astype(np.float64).std(axis=0)
    effects = np.full((n_genes, latents.shape[1]), np.nan, dtype=np.float32)
    effects[columns] = total / len(chosen) * deviation
    return effects


def _learned(model: TrainedModel, layer: str | None) -> dict[str, Any]:
    """Return the learned graph and what follows from it, in types that ``.h5ad`` files hold."""
    pd = import_optional("pandas", "pandas", "an AnnData object", "anndata")
    graph = model.sparse_graph
    names = list(model.graph.latents)
    result: dict[str, Any] = {
        "params": {"method": model.method, "layer": "X" if layer is None else layer},
        "actions": np.array(model.action_names, dtype=object),
        "warnings": np.array([str(warning) for warning in model.warnings], dtype=object),
        "latents": pd.DataFrame(index=pd.Index(names, dtype=object)),
    }
    if not model.model.edges:
        return result
    predicted = predict_entanglement(graph)
    block_of = {member: k for k, block in enumerate(predicted.blocks) for member in block}
    confidence = model.latent_confidence
    result["latents"]["block"] = [block_of[k] for k in range(len(names))]
    result["latents"]["confidence"] = np.full(len(names), np.nan) if confidence is None else confidence
    result["edges"] = pd.DataFrame(_edges(model, names))
    result["entanglement"] = predicted.matrix.toarray().astype(bool)
    result |= {name: matrix.toarray().astype(bool) for name, matrix in (("Ga", graph.Ga), ("Gz", graph.Gz))}
    return result


def _edges(model: TrainedModel, latents: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the table of all possible edges."""
    confidence = model.edge_confidence or {}
    kinds = [("actions", "action", model.action_names), ("past", "past", latents)]
    columns: dict[str, list[Any]] = {
        name: [] for name in ("cause", "kind", "latent", "learned", "confidence")
    }
    for key, kind, causes in kinds:
        if key not in model.model.edges:
            continue
        learned = model.edge_probabilities[key] > 0.5
        for i, latent in enumerate(latents):
            for j, cause in enumerate(causes):
                values = (cause, kind, latent, bool(learned[i, j]))
                certainty = float(confidence[key][i, j]) if key in confidence else float("nan")
                for name, value in zip(columns, (*values, certainty), strict=True):
                    columns[name].append(value)
    return columns


def _write_elements(path: Path, annotation: CellAnnotation, key: str) -> None:
    """Write an annotation into an ``.h5ad`` file."""
    h5py = import_optional("h5py", "h5py", "an .h5ad file", "anndata")
    write_elem = import_optional("anndata.io", "anndata", "an .h5ad file", "anndata").write_elem
    elements = {f"obsm/X_{key}": annotation.latents, f"uns/{key}": annotation.learned}
    if annotation.effects is not None:
        elements[f"varm/{key}"] = annotation.effects
    with h5py.File(path, "r+") as file:
        for name, value in elements.items():
            group = name.partition("/")[0]
            if group not in file:
                write_elem(file, group, {})
            write_elem(file, name, value)
