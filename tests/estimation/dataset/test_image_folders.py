"""Folders of images with a table; invalid ones are refused in one line."""

from __future__ import annotations

import errno
import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from estimation.dataset import Dataset
from estimation.dataset.readers.files import parsing
from estimation.dataset.readers.images import read_images
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError
from tests.estimation.table_files import put
from tests.seeds import training_seed


def pictures(folder: Path, mode: str = "RGB", n: int = 4) -> np.ndarray:
    """Random pictures of 3 x 2 pixels (width x height) with a table; the values written, 0 to 255."""
    shape = (n, 2, 3, 3) if mode == "RGB" else (n, 2, 3)
    values = np.random.default_rng(training_seed()).integers(0, 256, shape, dtype=np.uint8)
    (folder / "png").mkdir()
    for number, value in enumerate(values):
        Image.fromarray(value).save(folder / "png" / f"{number}.png")
    names = [f"png/{number}.png" for number in range(n)]
    pd.DataFrame({"image": names, "a0": range(n)}).to_csv(folder / "table.csv", index=False)
    return values


def replace_picture(folder: Path, image: Image.Image) -> None:
    image.save(folder / "png" / "2.png")


def test_coloured_images_of_a_folder(tmp_path: Path) -> None:
    values = pictures(tmp_path)
    data = Dataset.read(tmp_path)
    assert data.observation_shape == (3, 2, 3)
    images = data.observations.reshape(4, 3, 2, 3)
    np.testing.assert_allclose(images, np.moveaxis(values, 3, 1) / 255, rtol=1e-6)
    assert data.actions is not None
    assert data.actions.ravel().tolist() == [0, 1, 2, 3]
    by_name = Dataset.read(tmp_path / "table.csv", images="image")
    np.testing.assert_array_equal(by_name.observations, data.observations)


def test_grey_images_with_constant_pixels(tmp_path: Path) -> None:
    values = pictures(tmp_path, "L")
    for number, value in enumerate(values):
        value[0] = 7
        Image.fromarray(value).save(tmp_path / "png" / f"{number}.png")
    data = Dataset.read(tmp_path)
    assert data.observation_shape == (1, 2, 3)
    np.testing.assert_allclose(data.observations.reshape(4, 2, 3), values / 255, rtol=1e-6)


def test_images_in_episodes(tmp_path: Path) -> None:
    pictures(tmp_path)
    frame = pd.read_csv(tmp_path / "table.csv").assign(film=["a", "b", "a", "b"])
    frame.to_csv(tmp_path / "table.csv", index=False)
    single, pairs = Dataset.read(tmp_path), Dataset.read(tmp_path, episode="film")
    np.testing.assert_array_equal(pairs.observations, single.observations[[[0, 2], [1, 3]], 0])
    assert pairs.observation_shape == (3, 2, 3)


def test_other_ways_to_store_the_same_picture(tmp_path: Path) -> None:
    picture = Image.fromarray(pictures(tmp_path)[2])
    for stored in (picture.convert("RGBA"), picture.quantize(6), picture.convert("L").convert("RGB")):
        replace_picture(tmp_path, stored)
        seen = np.moveaxis(np.asarray(stored.convert("RGB")), 2, 0) / 255
        read = Dataset.read(tmp_path).observations[2]
        np.testing.assert_allclose(read, seen.reshape(1, -1), rtol=1e-6)


def test_sixteen_bits_and_black_and_white(tmp_path: Path) -> None:
    pictures(tmp_path, "L")
    replace_picture(tmp_path, Image.fromarray(np.array([[0, 65535, 6553], [1, 2, 3]], dtype=np.uint16)))
    Image.fromarray(np.array([[0, 1, 0], [1, 1, 0]], dtype=bool)).save(tmp_path / "png" / "1.png")
    data = Dataset.read(tmp_path)
    np.testing.assert_allclose(data.observations[2, 0, :3], [0, 1, 6553 / 65535], rtol=1e-6)
    np.testing.assert_array_equal(data.observations[1, 0], [0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            Image.new("RGB", (4, 2)),
            r"png/2.png is 4 x 2 RGB, and png/0.png is 3 x 2 RGB; all images must be of one",
        ),
        (Image.new("L", (3, 2)), r"png/2.png is 3 x 2 grey, and png/0.png is 3 x 2 RGB"),
        (Image.new("RGBA", (3, 2), (0, 0, 0, 9)), r"2.png: is partly transparent; save it as grey or RGB"),
        (Image.new("I", (3, 2)), r"2.png: is in mode I.*; save it as grey or RGB"),
    ],
)
def test_images_that_do_not_fit(image: Image.Image, message: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    image.save(tmp_path / "png" / "2.png", **({"format": "TIFF"} if image.mode == "I" else {}))
    place = r"table.csv: column 'image', row 4 \(the names are row 1\): .*"
    with pytest.raises(DataError, match=place + message):
        Dataset.read(tmp_path)


def test_images_that_can_not_be_read(tmp_path: Path) -> None:
    pictures(tmp_path)
    put(tmp_path / "png" / "2.png", b"rubbish")
    with pytest.raises(
        DataError,
        match=r"table.csv: column 'image', row 4 .*png.2.png: is not an image of a supported format",
    ):
        Dataset.read(tmp_path)
    (tmp_path / "png" / "2.png").unlink()
    with pytest.raises(FileAccessError, match=r"table.csv: column 'image', row 4 .*2.png: no such file"):
        Dataset.read(tmp_path)


def test_folders_without_one_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder of images has one table .* that names them; it has none"):
        Dataset.read(tmp_path)
    put(tmp_path / "a.csv", "x0\n1\n2\n")
    with pytest.raises(
        DataError, match=r"a.csv: images \(name the column\): no column is called .* 'images'"
    ):
        Dataset.read(tmp_path)
    put(tmp_path / "b.parquet", "")
    with pytest.raises(DataError, match=r"it has a.csv, b.parquet"):
        Dataset.read(tmp_path)
    with pytest.raises(DataError, match="the option memory_map doesn't apply to this kind of file"):
        Dataset.read(tmp_path, memory_map=True)


def test_invalid_names_of_images(tmp_path: Path) -> None:
    path = put(tmp_path / "d.csv", 'image,x0\n"",1\n')
    with pytest.raises(DataError, match=r"column 'image', row 2 .* is ''; it must be the name of a file"):
        Dataset.read(path, images="image")
    frame = pd.DataFrame({"image": [3, 4]})
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"column 'image', row 0 .* is 3; it must be the name of a file"):
        Dataset.read(tmp_path / "d.parquet", images="image")


def test_a_name_that_would_break_the_line_is_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=re.escape(r"a\nb.csv': no such file")):
        Dataset.read(tmp_path / "a\nb.csv")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileAccessError, match=r": Permission denied$"):
        Dataset.read(tmp_path)


def test_what_does_not_fit_in_memory(tmp_path: Path) -> None:
    class Endless(list[str]):
        def __len__(self) -> int:
            return 10**14

    pictures(tmp_path)
    with pytest.raises(DataError, match=r"^100000000000000 images of 18 numbers don't fit in memory$"):
        read_images(Endless(["png/0.png"]), tmp_path, str)
    with (
        pytest.raises(
            DataError, match=r"^d.npz: doesn't fit in memory; save the array as NPY and use memory_map$"
        ),
        parsing("d.npz", "an NPZ file", (ValueError,)),
    ):
        raise MemoryError


def tiff(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


def test_images_are_rotated_as_viewers_show_them(tmp_path: Path) -> None:
    pictures(tmp_path)
    upright = Image.fromarray(
        np.random.default_rng(training_seed(1)).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    )
    for orientation, turn in ((6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180), (1, None)):
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[274] = orientation
        for kind in ("PNG", "WEBP"):
            out = io.BytesIO()
            stored.save(out, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
            put(tmp_path / "png" / "2.png", out.getvalue())
            read = Dataset.read(tmp_path).observations[2].reshape(3, 2, 3)
            np.testing.assert_allclose(read, np.moveaxis(np.asarray(upright), 2, 0) / 255, rtol=1e-6)
    exif[274] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "png" / "2.jpg", exif=exif, quality=95)
    names = pd.read_csv(tmp_path / "table.csv").replace({"image": {"png/2.png": "png/2.jpg"}})
    names.to_csv(tmp_path / "table.csv", index=False)
    assert Dataset.read(tmp_path).observation_shape == (3, 2, 3)


def pages(kind: str, mode: str = "L") -> bytes:
    stack = [Image.new(mode, (3, 2), k * 40) for k in range(5)]
    out = io.BytesIO()
    stack[0].save(out, kind, save_all=True, append_images=stack[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pages("TIFF"), "2.png: has 5 pages or frames; save each of them as its own image"),
        (pages("GIF"), "2.png: has 5 pages or frames"),
        (pages("PNG"), "2.png: has 5 pages or frames"),
        (pages("WEBP", "RGB"), "2.png: has 5 pages or frames"),
        (tiff(Image.new("CMYK", (3, 2))), "2.png: is in mode CMYK; save it as grey or RGB"),
        (tiff(Image.new("F", (3, 2))), "2.png: is in mode F; save it as grey or RGB"),
        (
            tiff(Image.fromarray(np.zeros((2, 3), np.uint16)), tiffinfo={262: 0}),
            "2.png: is grey of 12 bits, or white where it is zero",
        ),
    ],
    ids=["tiff", "gif", "apng", "webp", "cmyk", "float", "white is zero"],
)
def test_images_that_pillow_reads_in_part_or_wrongly_are_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    pictures(tmp_path)
    put(tmp_path / "png" / "2.png", content)
    with pytest.raises(DataError, match=message):
        Dataset.read(tmp_path)


def png(header: bytes, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file with this header, other chunks and rows of pixels."""
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # 3 x 2 pixels of 16 bits a colour
        (
            png(struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0), bytes(2 * 19)),
            "has 16 bits per colour, of which 8",
        ),
        # black is transparent
        (
            png(struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0), bytes(2 * 10), (b"tRNS", bytes(6))),
            "is partly transparent",
        ),
        (
            png(struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0), b""),
            "has 9000 x 9000 pixels; the limit is",
        ),
        (png(struct.pack(">IIBBBBB", 10**6, 10**6, 8, 2, 0, 0, 0), b""), "is not an image: .*exceeds limit"),
    ],
    ids=["16 bits", "transparent colour", "large", "huge"],
)
def test_png_images_that_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    put(tmp_path / "png" / "2.png", content)
    with pytest.raises(DataError, match=f"2.png: {message}"):
        Dataset.read(tmp_path)
