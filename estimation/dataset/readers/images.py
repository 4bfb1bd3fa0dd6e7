"""Images named in a table, as flattened rows of numbers between 0 and 1."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.files import import_optional, parsing, require_readable
from estimation.exceptions import DataError
from identify.exceptions import FileAccessError

__all__ = ["read_images"]

Array = NDArray[np.float32]

_MAX_PIXELS = 1 << 24
# tags of TIFF
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
# the largest value of a grey image in each of Pillow's modes
_GREY_MAXIMUM = {"L": 255, "I;16": 65535, "I;16L": 65535, "I;16B": 65535}
# what Pillow's plugins raise on damaged files, besides its DecompressionBombError: `PIL.ImageFile` names the same ones
_DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    struct.error,
)


def read_images(
    names: Sequence[str], folder: Path, place: Callable[[int], str]
) -> tuple[Array, tuple[int, int, int]]:
    """Read images of one size, grey or RGB; an opaque alpha channel is dropped.

    Args:
        names: Names of the files, relative to the folder.
        folder: Folder of the files.
        place: Returns the name of a row in error messages.

    Returns:
        Pixels, shape (N, C * H * W), from 0 (black) to 1, and (C, H, W); C is 1 for grey, 3 for RGB.

    Raises:
        DataError: If a file isn't such an image, or differs from the first one in size or colour.
        FileAccessError: If a file can't be opened.
    """
    first = _read_row(names, 0, folder, place)
    try:
        pixels = np.empty((len(names), first.size), dtype=np.float32)
    except MemoryError as error:
        raise DataError(f"{len(names)} images of {first.size} numbers don't fit in memory") from error
    pixels[0] = first.ravel()
    for row in range(1, len(names)):
        image = _read_row(names, row, folder, place)
        if image.shape != first.shape:
            raise DataError(
                f"{place(row)}: {names[row]} is {_size(image)}, and {names[0]} is {_size(first)}; "
                "all images must be of one size and colour"
            )
        pixels[row] = image.ravel()
    return pixels, (first.shape[0], first.shape[1], first.shape[2])


def _read_row(names: Sequence[str], row: int, folder: Path, place: Callable[[int], str]) -> Array:
    try:
        return _read_image(folder / names[row], names[row])
    except FileAccessError as error:
        raise FileAccessError(f"{place(row)}: {error}") from error
    except DataError as error:
        raise DataError(f"{place(row)}: {error}") from error


def _read_image(path: Path, name: str) -> Array:
    pillow = import_optional("PIL.Image", "pillow", "an image")
    require_readable(path)
    decoder_errors = (*_DECODER_ERRORS, pillow.DecompressionBombError)
    # the message names the table, which is in the same folder: the name of the image suffices here
    with parsing(name, "an image", decoder_errors), warnings.catch_warnings():
        # Pillow warns about images that are refused here, or about harmless details
        warnings.simplefilter("ignore")
        try:
            image = pillow.open(path)
        except import_optional("PIL", "pillow", "an image").UnidentifiedImageError as error:
            raise DataError("is not an image of a supported format") from error
        with image:
            return _pixels(image)


def _pixels(image: Any) -> Array:
    _require_single_picture(image)
    # rotated as viewers show it
    image_ops = import_optional("PIL.ImageOps", "pillow", "an image")
    upright = _without_palette_or_alpha(image_ops.exif_transpose(image))
    grey_maximum = _GREY_MAXIMUM.get(upright.mode)
    if grey_maximum is not None:
        return (np.asarray(upright).astype(np.float32) / np.float32(grey_maximum))[np.newaxis]
    if upright.mode != "RGB":
        raise DataError(f"is in mode {upright.mode}; save it as grey or RGB")
    return np.moveaxis(np.asarray(upright).astype(np.float32) / np.float32(255), 2, 0)


def _require_single_picture(image: Any) -> None:
    """Refuse an image that Pillow would read in part, or with other values than it has."""
    if image.width * image.height > _MAX_PIXELS:
        raise DataError(f"has {image.width} x {image.height} pixels; the limit is {_MAX_PIXELS:,}")
    pages = getattr(image, "n_frames", 1)
    # cameras store a preview after the picture in an MPO file
    if pages > 1 and image.format != "MPO":
        raise DataError(
            f"has {pages} pages or frames; save each of them as its own image, or all as one array"
        )
    raw_modes = " ".join(str(tile[3]) for tile in image.tile)
    if image.mode in ("L", "LA", "RGB", "RGBA") and ";16" in raw_modes:
        raise DataError(
            "has 16 bits per colour, of which 8 would be lost; save it as grey of 16 bits, or with 8 bits"
        )
    tags = getattr(image, "tag_v2", None) or {}
    if image.mode.startswith("I;16") and (
        tags.get(_BITS_PER_SAMPLE, (16,))[0] != 16 or tags.get(_PHOTOMETRIC, 1) == 0
    ):
        raise DataError(
            "is grey of 12 bits, or white where it is zero; save it as grey of 16 bits, black at zero"
        )


def _without_palette_or_alpha(image: Any) -> Any:
    """Resolve palettes and black-and-white, and drop an opaque alpha channel."""
    if "transparency" in image.info and image.mode in ("1", "L", "I;16", "RGB"):
        # a transparent colour
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
