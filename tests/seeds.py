"""Where the seeds of all tests that train come from, and how to shift every one of them at once.

``MECHSPARSE_TEST_SEED=3 python -m pytest`` draws other processes, samples, networks and noise than the plain run: a
claim that holds for one seed only is no claim about the code. `tests/test_seeds.py` refuses a seed from elsewhere.
"""

from __future__ import annotations

import os

__all__ = ["FIXED", "VARIABLE", "shift_of", "training_seed"]

VARIABLE = "MECHSPARSE_TEST_SEED"

# files of tests/estimation and tests/pipeline whose seeds stay what they are, and why
FIXED = {
    "estimation/published_runs.py": "reads the seeds of published runs from a table",
    "estimation/config/test_config.py": "is about settings, and trains nothing: what the defaults are, the seed's too",
    "pipeline/test_published_table.py": "names the published runs by their seeds, and its training is a stand-in",
    "pipeline/test_reproduction.py": "asks for the published runs, whose seeds the command itself chooses",
}


def shift_of(value: str) -> int:
    """The shift that a value of the variable asks for, 0 for an empty one."""
    text = value.strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{VARIABLE} is {value[:40]!r}; it is a whole number from 0, of 9 digits at most")
    return int(text)


_SHIFT = shift_of(os.environ.get(VARIABLE, ""))


def training_seed(seed: int = 0) -> int:
    """The seed to use where a test's own is this one."""
    return int(seed) + _SHIFT
