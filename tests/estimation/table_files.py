"""Files for tests of readers: arrays, text, and a table of three patients in every format."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.seeds import training_seed

__all__ = ["WRITERS", "Write", "npy", "npz", "numbers", "patients", "put"]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(training_seed(seed)).normal(size=shape).astype(np.float32)


def put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def patients() -> pd.DataFrame:
    """Return a table of three patients with interleaved rows; 'c' has only one visit."""
    return pd.DataFrame(
        {
            "x0": [10.0, 0.0, 11.0, 1.0, 20.0, 2.0],
            "x1": [5.0, 6.0, 7.0, 8.0, 9.0, 4.0],
            "dose": [0.5, 0.1, 0.6, 0.2, 0.9, 0.3],
            "drug": ["b", "a", "a", "none", "b", "b"],
            "who": ["q", "p", "q", "p", "c", "p"],
            "day": [0, 9, 3, 10, 0, 11],
        }
    )


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "csv": lambda frame, folder: (frame.to_csv(folder / "t.csv", index=False), folder / "t.csv")[1],
    "parquet": lambda frame, folder: (frame.to_parquet(folder / "t.parquet"), folder / "t.parquet")[1],
}

Write = Callable[[pd.DataFrame, Path], Path]


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
