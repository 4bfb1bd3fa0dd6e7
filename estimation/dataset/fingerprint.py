"""`fingerprint`: whether data are those that they were, in about a twentieth of the time that reading takes.

BLAKE2b goes over shapes, types, names, and small arrays. Of a large array it gets sums, modulo 2^64, which take no
longer than memory does: of the 64-bit words of each block of 8 KiB, and of all words whose places agree modulo 1009.
Whatever is not observations gets a third set, of the words of each block times fixed odd numbers.

So one other value, two values or rows exchanged, another order of rows, other actions, names or shapes give another
fingerprint. What can go unnoticed are exchanges of four or more values of a large array at the corners of a
rectangle in both sets of sums, at places that differ by multiples of 1009 words: by chance in less than one of 1,000
exchanges of two equal-looking rows. It is no signature: whoever wants to can make other data with the same fingerprint.

Of an array that stays on disk (``memory_map``) and has more than 256 MiB, only every 32nd block is read, beside the
first and the last: a change of less than 32 neighbouring blocks (256 KiB) may go unnoticed there.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset

__all__ = ["fingerprint"]

_WORDS, _RESIDUES = 1024, 1009
_BLOCK = 8 * _WORDS
# bytes: what is hashed as it is; what is looked at at once
_SMALL, _PART = 1 << 16, 1 << 24
_LARGE, _STRIDE = 1 << 28, 32
# raw bits of a bit generator stay the same in every version of numpy
_WEIGHTS = np.random.PCG64(25).random_raw(_WORDS) | np.uint64(1)

Bytes = NDArray[np.uint8]


def fingerprint(dataset: Dataset) -> str:
    """What tells these data from others: 32 hexadecimal digits.

    Values, shapes and types of observations, actions, latents and episodes count, and the names of columns; the
    dataset's own name, its notes, the true graph and the decoder don't.

    Args:
        dataset: any; its arrays are read once.

    Example:
        >>> from estimation.simulate.sampling import simulate
        >>> one, two = simulate("ActionDiag", 100, seed=1), simulate("ActionDiag", 100, seed=2)
        >>> fingerprint(one) == fingerprint(one), fingerprint(one) == fingerprint(two)
        (True, False)
        >>> fingerprint(one.take([1, 0])) == fingerprint(one.take([0, 1]))
        False
    """
    digest = hashlib.blake2b(digest_size=16)
    _add_texts(digest, sys.byteorder)
    for name in ("observations", "actions", "latents", "episodes"):
        array = getattr(dataset, name)
        _add_texts(digest, name, "none" if array is None else f"{array.dtype.str} {array.shape}")
        if array is not None:
            _add_array(digest, array, weighted=name != "observations")
    for name in ("observation_names", "action_names", "observation_shape"):
        _add_texts(digest, name, *map(str, getattr(dataset, name) or ()))
    return digest.hexdigest()


def _add_texts(digest: Any, *texts: str) -> None:
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        # the length first, so that ("ab", "c") is not ("a", "bc")
        digest.update(len(data).to_bytes(8, "little") + data)
    digest.update(b"\xff" * 8)


def _add_array(digest: Any, array: NDArray[Any], weighted: bool) -> None:
    if array.nbytes <= _SMALL:
        digest.update(np.ascontiguousarray(array).tobytes())
        return
    residues = np.zeros(_RESIDUES, dtype=np.uint64)
    sums, weighted_sums, place, rest = [], [], 0, b""
    for part in _parts(array):
        whole = part.size - part.size % _BLOCK
        words = _words(part[:whole])
        blocks = words.reshape(-1, _WORDS)
        sums.append(blocks.sum(axis=1))
        if weighted:
            weighted_sums.append(np.einsum("ij,j->i", blocks, _WEIGHTS))
        residues += np.roll(_sums_by_residue(words), place % _RESIDUES)
        # the last part alone has one
        place, rest = place + len(words), part[whole:].tobytes()
    for found in (*sums, *weighted_sums, residues):
        digest.update(found.tobytes())
    digest.update(rest)


def _parts(array: NDArray[Any]) -> Iterator[Bytes]:
    """All bytes in the order of the rows, in parts of whole blocks; of a large array on disk, a sample of blocks."""
    if array.flags.c_contiguous:
        data = array.reshape(-1).view(np.uint8)
        if data.size > _LARGE and _is_on_disk(array):
            for start in [*range(0, data.size - _BLOCK, _BLOCK * _STRIDE), data.size - _BLOCK]:
                yield data[start : start + _BLOCK]
        else:
            yield from (data[start : start + _PART] for start in range(0, data.size, _PART))
        return
    row = array.nbytes // len(array)
    step = _BLOCK // math.gcd(row, _BLOCK)
    step *= max(1, _PART // (step * row))
    for start in range(0, len(array), step):
        yield np.ascontiguousarray(array[start : start + step]).reshape(-1).view(np.uint8)


def _words(data: Bytes) -> NDArray[np.uint64]:
    return (data.copy() if data.ctypes.data % 8 else data).view(np.uint64)


def _sums_by_residue(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    whole = len(words) - len(words) % _RESIDUES
    sums: NDArray[np.uint64] = words[:whole].reshape(-1, _RESIDUES).sum(axis=0)
    sums[: len(words) - whole] += words[whole:]
    return sums


def _is_on_disk(array: Any) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None
