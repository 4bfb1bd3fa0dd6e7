"""Damaged files of data read, or are refused in one line; no exception of a library gets through."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from estimation.dataset import Dataset
from estimation.dataset.readers import numpy_files
from estimation.dataset.readers.files import parsing
from estimation.exceptions import DataError
from identify.exceptions import IdentifyError
from tests.estimation.table_files import npy, npz, numbers, patients, put
from tests.seeds import training_seed

N_DAMAGED = 60
IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "TGA", "PCX", "ICO", "DDS", "SGI")


def image_bytes(kind: str) -> bytes:
    pixels = np.random.default_rng(training_seed()).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def parquet_bytes(compression: str | None) -> bytes:
    out = io.BytesIO()
    patients().to_parquet(out, compression=compression)
    return out.getvalue()


def compressed_npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, x=numbers(20, 3), a=numbers(20, 1))
    return out.getvalue()


def written_dataset() -> bytes:
    dataset = Dataset.from_arrays(pd.DataFrame(numbers(9, 2), columns=["p", "q"]), actions=numbers(9, 2))
    out = io.BytesIO()
    np.savez(out, **numpy_files._as_arrays(dataset))  # type: ignore[arg-type]
    return out.getvalue()


FILES = {
    "plain.csv": patients().to_csv(index=False).encode(),
    "snappy.parquet": parquet_bytes("snappy"),
    "gzip.parquet": parquet_bytes("gzip"),
    "plain.parquet": parquet_bytes(None),
    "plain.npz": npz(x=numbers(20, 3), a=numbers(20, 1)),
    "compressed.npz": compressed_npz(),
    "written.npz": written_dataset(),
    "plain.npy": npy(numbers(20, 3)),
}


def damage(content: bytes, rng: random.Random) -> bytes:
    """Truncate the content, remove or insert a few bytes, or change some of them."""
    data = bytearray(content)
    kind = rng.randrange(8)
    start, stop = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if kind == 0:
        return bytes(data[:start])
    if kind == 1:
        return bytes(data[:start] + data[stop:])
    if kind == 2:
        return bytes(data[:start] + rng.randbytes(rng.randrange(1, 30)) + data[start:])
    # headers are at either end
    span = rng.choice((len(data), min(len(data), 200)))
    offset = rng.choice((0, len(data) - span))
    for _ in range(rng.choice((1, 2, 4, 10))):
        data[offset + rng.randrange(span)] = rng.choice((0, 255, rng.randrange(256)))
    return bytes(data)


def refusal(path: Path, **options: Any) -> str:
    """The message of the error, or nothing if the file reads."""
    try:
        Dataset.read(path, **options)
    except IdentifyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_reads_or_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    for _ in range(N_DAMAGED):
        assert refusal(put(tmp_path / name, damage(FILES[name], rng))).isprintable()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", IMAGE_FORMATS)
def test_a_damaged_image_reads_or_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    content, rng = image_bytes(kind), random.Random(kind)
    put(tmp_path / "intact", content)
    table = put(tmp_path / "t.csv", "image\ndamaged\nintact\n")
    for _ in range(N_DAMAGED):
        put(tmp_path / "damaged", damage(content, rng))
        assert refusal(table, images="image").isprintable()


def test_errors_that_a_damaged_file_does_not_explain_are_not_hidden() -> None:
    with (
        pytest.raises(DataError, match=r"^d.npz: is not an NPZ file: no magic$"),
        parsing("d.npz", "an NPZ file", (ValueError,)),
    ):
        raise ValueError("no magic")
    with pytest.raises(AttributeError, match="a bug"), parsing("d.npz", "an NPZ file", (ValueError,)):
        raise AttributeError("a bug")
