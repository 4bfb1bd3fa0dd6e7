"""NPZ and NPY files of arrays; invalid files are refused in one line."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from estimation.dataset import Dataset
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from tests.estimation.table_files import npy, npz, numbers, put


@pytest.mark.parametrize("names", [("x", "a", "z"), ("observations", "actions", "latents")])
def test_a_plain_npz(names: tuple[str, str, str], tmp_path: Path) -> None:
    x, a, z = numbers(5, 2, 3), numbers(5, 2), numbers(5, 2, 4)
    np.savez(tmp_path / "own.npz", **dict(zip(names, (x, a, z), strict=True)))
    data = Dataset.read(tmp_path / "own.npz")
    np.testing.assert_array_equal(data.observations, x)
    np.testing.assert_array_equal(data.actions, a)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.latents, z)  # type: ignore[arg-type]
    assert data.name == "own"


def test_arrays_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=numbers(5, 3), genes=numbers(5, 4, seed=1), dose=numbers(5, 1))
    data = Dataset.read(str(tmp_path / "d.npz"), observations="genes", actions="dose")
    assert (data.n_observed, data.n_actions) == (4, 1)
    with pytest.raises(DataError, match=r"d.npz: has no array 'gene'; it has 'dose', 'genes', 'x'$"):
        Dataset.read(tmp_path / "d.npz", observations="gene")
    with pytest.raises(DataError, match=r"observations is \['x', 'genes'\]; it must be one name"):
        Dataset.read(tmp_path / "d.npz", observations=["x", "genes"])


def test_an_npy_in_memory_and_on_disk(tmp_path: Path) -> None:
    x, a, z = numbers(5, 2, 3), numbers(5, 2), numbers(5, 2, 4)
    for name, array in (("x", x), ("a", a), ("z", z), ("wide", x.astype(float))):
        np.save(tmp_path / f"{name}.npy", array)
    read = Dataset.read(tmp_path / "x.npy", actions="a.npy", latents="z.npy")
    mapped = Dataset.read(tmp_path / "x.npy", memory_map=True)
    np.testing.assert_array_equal(read.observations, x)
    np.testing.assert_array_equal(mapped.observations, x)
    assert (read.n_actions, read.n_latents) == (2, 4)
    assert isinstance(mapped.observations, np.memmap)
    assert not isinstance(read.observations, np.memmap)
    mapped.observations[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)
    with pytest.raises(DataError, match=r"wide.npy: holds float64; only float32 can stay on disk"):
        Dataset.read(tmp_path / "wide.npy", memory_map=True)
    with pytest.raises(FileAccessError, match=r"none.npy: no such file$"):
        Dataset.read(tmp_path / "x.npy", actions="none.npy")


def damaged_npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, x=numbers(50, 3))
    content = bytearray(out.getvalue())
    content[300] ^= 255
    return bytes(content)


OURS = {"format": "mechsparse dataset", "version": 1, "name": "n", "action_names": np.array([], str)}
OURS |= {"notes": np.array([], str), "observations": numbers(3, 1, 2)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.npz", b"", "is not an NPZ file of plain arrays: No data left"),
        (
            "d.npz",
            b"x,y\n1,2\n",
            "is not an NPZ file of plain arrays: it is damaged, or another kind of file$",
        ),
        ("d.npz", damaged_npz(), "is not an NPZ file of plain arrays: Bad CRC-32"),
        ("d.npz", damaged_npz()[:200], "is not an NPZ file of plain arrays"),
        ("d.npz", npy(numbers(2, 2)), r"is one array; name the file \.npy"),
        (
            "d.npz",
            npz(x=np.array([{}])),
            "is not an NPZ file of plain arrays: Object arrays cannot be loaded",
        ),
        ("d.npz", npz(y=[1]), "has no array 'observations' or 'x'; it has 'y'$"),
        ("d.npz", npz(), "has no array 'observations' or 'x'; it has none$"),
        ("d.npz", npz(x=[[1.0], [np.inf]]), r"observations\[1, 0, 0\] is inf"),
        ("d.npz", npz(x=[[1.0, np.nan], [2.0, np.nan]]), "observed column 1 has no entry that isn't missing"),
        ("d.npz", npz(x=[[1.0], [2.0]], a=[[1.0], [np.nan]]), r"actions\[1, 0\] is nan"),
        ("d.npz", npz(x=[["a"]]), "observations holds text"),
        ("d.npz", npz(x=[[1.0], [2.0]], a=[1.0, 2.0]), r"actions have shape \(2,\)"),
        ("d.npz", npz(format="graph"), "key 'format' is 'graph'; a dataset has 'mechsparse dataset'"),
        ("d.npz", npz(**OURS | {"version": 2}), "key 'version' is 2; this version of mechsparse reads 1"),
        ("d.npz", npz(format="mechsparse dataset"), "key 'version' is None"),
        (
            "d.npz",
            npz(**{k: v for k, v in OURS.items() if k != "notes"}),
            "not an NPZ file of plain arrays: .*notes",
        ),
        (
            "d.npz",
            npz(**OURS, Gz=[[2]], Ga=[[1]], graph_latents=["z"], graph_actions=["a"]),
            r"Gz\[0, 0\] is 2",
        ),
        ("d.npy", b"rubbish", "is not an NPY file"),
        ("d.npy", b"", "is not an NPY file"),
        ("d.npy", npz(x=[1]), r"holds several arrays; name the file \.npz"),
        ("d.npy", npy(np.array(["a"])), "observations holds text"),
        (
            "d.xlsx",
            b"",
            r"the suffix '\.xlsx' is unknown; use \.npz, \.npy, \.csv, \.parquet, \.h5ad or a folder",
        ),
    ],
)
def test_invalid_array_files_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{name}: .*{message}|{name}: {message}") as caught:
        Dataset.read(put(tmp_path / name, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("d.npz", {"categorical": "a"}),
        ("d.npz", {"images": "file"}),
        ("d.npz", {"memory_map": True}),
        ("d.npy", {"observations": "x"}),
        ("d.npy", {"episode": "e"}),
        ("d.npy", {"time": "t"}),
        ("d.csv", {"memory_map": True}),
        ("d.parquet", {"memory_map": True}),
    ],
)
def test_options_that_do_not_apply_to_the_file(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    message = f"{name}: the option {next(iter(options))} doesn't apply to this kind of file; leave it out"
    with pytest.raises(DataError, match=message):
        Dataset.read(tmp_path / name, **options)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
def test_missing_files(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=rf"none\{suffix}: no such file$"):
        Dataset.read(tmp_path / f"none{suffix}")


def test_a_path_through_a_file(tmp_path: Path) -> None:
    put(tmp_path / "d.csv", "x0\n1\n")
    with pytest.raises(FileAccessError, match=r"d.csv/e.csv: Not a directory"):
        Dataset.read(tmp_path / "d.csv" / "e.csv")


def header_only(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """An NPY file whose header declares an array, without the array."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue()


@pytest.mark.parametrize("shape", [(10**9, 1000), (2**62, 2**62), (0, 2**62), (-1, 3)])
def test_an_array_that_declares_a_large_shape_is_refused_before_memory_is_allocated(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = put(tmp_path / "x.npy", header_only(shape))
    with pytest.raises(DataError, match=r"x.npy: (an array declares the shape|is not an NPY file)"):
        Dataset.read(path)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header_only(shape))
    with pytest.raises(DataError, match=r"x.npz: (an array declares the shape|is not an NPZ file)"):
        Dataset.read(tmp_path / "x.npz")


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(header_only((80 * 2**18, 1)))
        for _ in range(80):
            file.write(bytes(2**20))
    with pytest.raises(
        DataError, match=r"declares 84 MB of content in 0.\d+ MB; it is damaged, or its compression"
    ):
        Dataset.read(tmp_path / "x.npz")
    table = pa.table({"x0": pa.array(np.zeros(10**7, dtype=np.int8))})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x.parquet: declares 80 MB of content"):
        Dataset.read(tmp_path / "x.parquet")


@pytest.mark.filterwarnings("error")
def test_numpy_does_not_warn_about_values_that_are_refused_or_missing() -> None:
    signalling = np.array([[0x7FF0000000000001, 0], [1, 2]], dtype=np.uint64).view(np.float64)
    for values in (signalling, [[np.nan, 1], [2, 3]], [[1e300, 1], [2, 3]]):
        with pytest.raises(DataError, match="as float32; every entry must be a finite number"):
            Dataset.from_arrays(np.eye(2), actions=values)
    with pytest.raises(
        DataError, match="as float32; every entry must be a finite number, or NaN where it is missing"
    ):
        Dataset.from_arrays([[1e300, 1], [2, 3]])
    for values in (np.vstack([signalling, np.eye(2)]), [[np.nan, 1], [2, 3], [3, 4]]):
        assert np.isnan(Dataset.from_arrays(values, allow_constant=True).observations[0, 0, 0])
