"""`fingerprint`: a digest that identifies a dataset, computed in about a twentieth of the time that reading takes.

BLAKE2b hashes shapes, types, names, and small arrays. Of a large array it hashes sums modulo 2^64, which are as fast
as memory: the sum of the 64-bit words of each block of 8 KiB, and the sums of all words whose positions agree modulo
1009. All arrays but the observations contribute a third set: the sums of the words of each block times fixed odd
numbers.

So the fingerprint changes with any single value, with an exchange of two values or rows, with the order of the rows,
and with actions, names and shapes. It can miss exchanges of four or more values of a large array at the corners of a
rectangle in both sets of sums, at positions that differ by multiples of 1009 words: by chance in less than one of
1,000 exchanges of two equal-looking rows. It is not a cryptographic signature: other data with the same fingerprint
can be constructed on purpose.

Of an array that stays on disk (``memory_map``) and is larger than 256 MiB, only every 32nd block is read, and the
last one: a change within less than 32 adjacent blocks (256 KiB) can be missed there.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.arrays import is_memory_mapped

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset

__all__ = ["fingerprint"]

_WORDS, _RESIDUES = 1024, 1009
_BLOCK = 8 * _WORDS
# bytes: arrays up to this size are hashed directly; larger ones are read in parts of this size
_SMALL, _PART = 1 << 16, 1 << 24
# bytes of an array on disk above which only every 32nd block is read
_LARGE, _STRIDE = 1 << 28, 32
# the raw bits of a bit generator are the same in every version of numpy
_WEIGHTS = np.random.PCG64(25).random_raw(_WORDS) | np.uint64(1)

Bytes = NDArray[np.uint8]


def fingerprint(dataset: Dataset) -> str:
    """Return a digest that identifies a dataset: 32 hexadecimal digits.

    It covers the values, shapes and types of observations, actions, latents, episodes and covariates, and the names of
    the columns; but not the name of the dataset, its notes, the true graph or the decoder.

    Args:
        dataset: The dataset; its arrays are read once.

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
    if dataset.covariates is not None:
        # data without covariates keep the digests of earlier versions
        _add_texts(digest, "covariates", *dataset.covariate_names)
        _add_array(digest, dataset.covariates, weighted=True)
    return digest.hexdigest()


def _add_texts(digest: Any, *texts: str) -> None:
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        # the length comes first, so that ("ab", "c") and ("a", "bc") differ
        digest.update(len(data).to_bytes(8, "little") + data)
    digest.update(b"\xff" * 8)


def _add_array(digest: Any, array: NDArray[Any], weighted: bool) -> None:
    if array.nbytes <= _SMALL:
        digest.update(np.ascontiguousarray(array).tobytes())
        return
    residues = np.zeros(_RESIDUES, dtype=np.uint64)
    sums, weighted_sums, position, remainder = [], [], 0, b""
    for part in _parts(array):
        whole = part.size - part.size % _BLOCK
        words = _words(part[:whole])
        blocks = words.reshape(-1, _WORDS)
        sums.append(blocks.sum(axis=1))
        if weighted:
            weighted_sums.append(np.einsum("ij,j->i", blocks, _WEIGHTS))
        residues += np.roll(_sums_by_residue(words), position % _RESIDUES)
        # only the last part has a remainder
        position, remainder = position + len(words), part[whole:].tobytes()
    for part_sums in (*sums, *weighted_sums, residues):
        digest.update(part_sums.tobytes())
    digest.update(remainder)


def _parts(array: NDArray[Any]) -> Iterator[Bytes]:
    """Yield all bytes in row order, in parts of whole blocks; of a large array on disk, a sample of blocks."""
    if array.flags.c_contiguous:
        data = array.reshape(-1).view(np.uint8)
        if data.size > _LARGE and is_memory_mapped(array):
            for start in [*range(0, data.size - _BLOCK, _BLOCK * _STRIDE), data.size - _BLOCK]:
                yield data[start : start + _BLOCK]
        else:
            yield from (data[start : start + _PART] for start in range(0, data.size, _PART))
        return
    row_bytes = array.nbytes // len(array)
    n_rows = _BLOCK // math.gcd(row_bytes, _BLOCK)
    n_rows *= max(1, _PART // (n_rows * row_bytes))
    for start in range(0, len(array), n_rows):
        yield np.ascontiguousarray(array[start : start + n_rows]).reshape(-1).view(np.uint8)


def _words(data: Bytes) -> NDArray[np.uint64]:
    return (data.copy() if data.ctypes.data % 8 else data).view(np.uint64)


def _sums_by_residue(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    whole = len(words) - len(words) % _RESIDUES
    sums: NDArray[np.uint64] = words[:whole].reshape(-1, _RESIDUES).sum(axis=0)
    sums[: len(words) - whole] += words[whole:]
    return sums
