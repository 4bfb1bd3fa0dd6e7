"""Draw the figures of the README from graphs of the catalogue: ``make figures``."""

from __future__ import annotations

from pathlib import Path

from identify.catalog import load
from identify.criterion import check
from identify.plot import plot_verdict, save_figure

FOLDER = Path(__file__).with_name("images")

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    save_figure(plot_verdict(check(load("Apoptosis Network"))), FOLDER / "apoptosis.png", dpi=75)
