"""Seeds of all tests that draw random numbers or train; an environment variable shifts all of them at once.

``MECHSPARSE_TEST_SEED=3 python -m pytest`` draws processes, samples, networks and noise that differ from those of the
plain run, because a result for a single seed says little about the code. `tests/test_seeds.py` rejects other seeds.
"""

from __future__ import annotations

import os

__all__ = ["FIXED", "VARIABLE", "shift_of", "training_seed"]

VARIABLE = "MECHSPARSE_TEST_SEED"

# files of tests/estimation and tests/pipeline whose seeds are not shifted, with the reason
FIXED = {
    "estimation/published_runs.py": "reads the seeds of published runs from a table",
    "estimation/config/test_config.py": "tests settings, including the default of the seed, and trains nothing",
    "estimation/config/test_sparse_columns.py": "tests which columns are sparse, and trains nothing",
    "estimation/influence/processes.py": "takes the shifted seeds of the tests that call it",
    "pipeline/test_published_table.py": "identifies the published runs by their seeds, and replaces training by a fake",
    "pipeline/test_reproduction.py": "runs the published cases, whose seeds the command determines",
}


def shift_of(value: str) -> int:
    """Return the shift for a value of the variable, 0 for an empty one.

    Raises:
        ValueError: If the value is not a whole number from 0 with at most 9 digits.
    """
    text = value.strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(
            f"{VARIABLE} is {value[:40]!r}; it must be a whole number from 0 with at most 9 digits"
        )
    return int(text)


_SHIFT = shift_of(os.environ.get(VARIABLE, ""))


def training_seed(seed: int = 0) -> int:
    """Return the shifted seed to use for a seed of a test."""
    return int(seed) + _SHIFT
