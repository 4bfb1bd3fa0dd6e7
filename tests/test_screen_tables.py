"""The table of the page on screens: the stored numbers are those of the package."""

from __future__ import annotations

import json

import pytest

from tests.documentation import docs_module, page

TABLES = docs_module("screen_tables")
ROWS = json.loads(TABLES.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "stored",
    [row for row in ROWS if row["n_latents"] <= 10],
    ids=lambda row: f"{row['n_latents']}-{row['n_targets']}",
)
def test_small_sizes_are_computed_again(stored: dict[str, object]) -> None:
    computed = TABLES.compute(stored["n_latents"], stored["n_targets"])
    assert {**computed, "seconds": stored["seconds"]} == stored


def test_the_stored_designs_were_verified_and_are_optimal() -> None:
    assert {(row["n_latents"], row["n_targets"]) for row in ROWS} == {
        (n, k) for n in (5, 10, 20, 50) for k in (1, 2, 3)
    }
    assert all(row["holds"] and row["on_off"] == row["on_off_bound"] for row in ROWS)


def test_the_page_shows_the_table() -> None:
    lines = TABLES.fill_page(page("screens")).splitlines()
    assert sum(line.startswith(("| 5 |", "| 10 |", "| 20 |", "| 50 |")) for line in lines) == 12
    assert any(line.startswith("| 50 | 3 | 54 | 54 |") for line in lines)
    with pytest.raises(ValueError, match="the page has no <!-- numbers -->"):
        TABLES.fill_page("# A page")
