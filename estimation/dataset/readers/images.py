"""Images named in a table, as flattened rows of numbers between 0 and 1."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.raw_data import need, parsing, require_file
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError

__all__ = ["read_images"]

Array = NDArray[np.float32]

_MOST_PIXELS = 1 << 24
# tags of TIFF
_BITS, _PHOTOMETRIC = 258, 262
# the largest value of a grey image in each of Pillow's modes
_GREY = {"L": 255, "I;16": 65535, "I;16L": 65535, "I;16B": 65535}


def read_images(
    names: Sequence[str], folder: Path, place: Callable[[int], str]
) -> tuple[Array, tuple[int, int, int]]:
    """Read images of one size, grey or RGB; an opaque alpha channel is dropped.

    Args:
        names: their files, relative to the folder.
        folder: where they are.
        place: how to call a row in an error message.

    Returns:
        Shape (N, C * H * W), from 0 (black) to 1, and (C, H, W); C is 1 for grey, 3 for RGB.

    Raises:
        DataError: a file is no such image, or differs from the first in size or colour.
        FileAccessError: a file can't be read.
    """
    first = _read_row(names, 0, folder, place)
    try:
        result = np.empty((len(names), first.size), dtype=np.float32)
    except MemoryError as error:
        raise DataError(f"{len(names)} images of {first.size} numbers don't fit in memory") from error
    result[0] = first.ravel()
    for row in range(1, len(names)):
        image = _read_row(names, row, folder, place)
        if image.shape != first.shape:
            raise DataError(
                f"{place(row)}: {names[row]} is {_size(image)}, and {names[0]} is {_size(first)}; "
                "all images must be of one size and colour"
            )
        result[row] = image.ravel()
    return result, (first.shape[0], first.shape[1], first.shape[2])


def _read_row(names: Sequence[str], row: int, folder: Path, place: Callable[[int], str]) -> Array:
    try:
        return _read(folder / names[row], names[row])
    except FileAccessError as error:
        raise FileAccessError(f"{place(row)}: {error}") from error
    except DataError as error:
        raise DataError(f"{place(row)}: {error}") from error


def _read(path: Path, name: str) -> Array:
    pillow = need("PIL.Image", "pillow", "an image")
    require_file(path)
    # the table before it has the folder; Pillow warns of what is refused here, or does no harm
    with parsing(name, "image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            opened = pillow.open(path)
        except need("PIL", "pillow", "an image").UnidentifiedImageError as error:
            raise DataError("is no image of a kind that is read") from error
        with opened:
            return _pixels(opened)


def _pixels(opened: Any) -> Array:
    _require_one_picture(opened)
    # turned as viewers show it
    image = _plain(need("PIL.ImageOps", "pillow", "an image").exif_transpose(opened))
    grey = _GREY.get(image.mode)
    if grey is not None:
        return (np.asarray(image).astype(np.float32) / np.float32(grey))[np.newaxis]
    if image.mode != "RGB":
        raise DataError(f"is in mode {image.mode}; save it as grey or RGB")
    return np.moveaxis(np.asarray(image).astype(np.float32) / np.float32(255), 2, 0)


def _require_one_picture(image: Any) -> None:
    """Refuse what would be read in part, or with other values than it has."""
    if image.width * image.height > _MOST_PIXELS:
        raise DataError(f"has {image.width} x {image.height} pixels; at most {_MOST_PIXELS:,} are read")
    pages = getattr(image, "n_frames", 1)
    # cameras put a preview behind the picture in an MPO file
    if pages > 1 and image.format != "MPO":
        raise DataError(
            f"has {pages} pages or frames; save each of them as an image of its own, or as one array"
        )
    raw = " ".join(str(tile[3]) for tile in image.tile)
    if image.mode in ("L", "LA", "RGB", "RGBA") and ";16" in raw:
        raise DataError(
            "has 16 bits a colour, of which 8 would be lost; save it as grey of 16 bits, or with 8 bits"
        )
    tags = getattr(image, "tag_v2", None) or {}
    if image.mode.startswith("I;16") and (tags.get(_BITS, (16,))[0] != 16 or tags.get(_PHOTOMETRIC, 1) == 0):
        raise DataError(
            "is grey of 12 bits, or white where it is zero; save it as grey of 16 bits, black at zero"
        )


def _plain(image: Any) -> Any:
    """Palettes and black-and-white resolved, an opaque alpha channel dropped."""
    if "transparency" in image.info and image.mode in ("1", "L", "I;16", "RGB"):
        # one colour that is transparent
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA"):
        if image.getchannel("A").getextrema()[0] < 255:
            raise DataError("is partly transparent; save it as grey or RGB without an alpha channel")
        return image.convert(image.mode[:-1])
    return image


def _size(image: Array) -> str:
    channels, height, width = image.shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"
