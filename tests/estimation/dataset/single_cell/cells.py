"""AnnData objects of counts for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.seeds import training_seed

anndata = pytest.importorskip("anndata")

__all__ = ["GENES", "adata_of", "counts", "obs_of"]

GENES = ("TP53", "MYC", "GATA1", "CD4", "KLF1")
LABELS = ("ctrl", "A+ctrl", "B", "A+B")


def counts(n_cells: int = 40, n_genes: int = len(GENES), seed: int = 0) -> NDArray[np.float32]:
    """Counts of which no gene is constant."""
    values = np.random.default_rng(training_seed(seed)).poisson(0.7, (n_cells, n_genes)).astype(np.float32)
    values[0], values[1] = 0, 3
    return values


def obs_of(labels: Sequence[Any], **columns: Any) -> pd.DataFrame:
    """A table of cells c0, c1, ... with the column ``perturbation``."""
    return pd.DataFrame(
        {"perturbation": labels, **columns}, index=pd.Index([f"c{k}" for k in range(len(labels))])
    )


def adata_of(
    x: Any = None,
    labels: Sequence[Any] | None = None,
    obs: Mapping[str, Any] | None = None,
    genes: Sequence[str] | None = None,
) -> Any:
    """An AnnData object; by default 40 cells of 5 genes with four kinds of labels."""
    x = counts() if x is None else x
    labels = [LABELS[k % 4] for k in range(x.shape[0])] if labels is None else labels
    adata = anndata.AnnData(x, obs=obs_of(labels, **(obs or {})))
    adata.var_names = list(GENES[: x.shape[1]]) if genes is None else list(genes)
    return adata
