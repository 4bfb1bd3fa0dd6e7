"""`AnnDataOptions`: which columns of ``.obs`` and ``.var``, and which layer, become what in a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from estimation.exceptions import DataError
from identify.names import shown

__all__ = ["AnnDataKeywords", "AnnDataOptions"]

Names = str | Sequence[str]


@dataclass(frozen=True)
class AnnDataOptions:
    """Options of AnnData; ``Dataset.from_anndata`` and ``Dataset.read`` take its fields as keyword arguments.

    Attributes:
        perturbation: Column of ``.obs`` with the perturbation of each cell, or several columns, whose perturbations
            are combined. None reads no actions.
        control: Label of cells without a perturbation, also as a part of a joined label (``"A+ctrl"``); or several
            such labels. An empty tuple says that there are no such cells.
        separator: Text between the perturbations of one cell, as in ``"A+B"``; empty if labels are never joined.
        dose: Column of ``.obs`` with the doses, one per column of perturbations: numbers, or numbers joined by the
            separator like the perturbations. None makes actions 0 or 1.
        layer: Layer to read instead of ``X``.
        covariates: Columns of ``.obs`` that are covariates: numbers, or categories, which become one column each.
        genes: Boolean column of ``.var`` that selects the genes, for instance ``"highly_variable"``.
        shuffle_seed: Seed of a random order of the cells; None keeps their order.
    """

    perturbation: Names | None = None
    control: Names | None = None
    separator: str = "+"
    dose: Names | None = None
    layer: str | None = None
    covariates: Names = ()
    genes: str | None = None
    shuffle_seed: int | None = None

    def __post_init__(self) -> None:
        if self.perturbation is None:
            for name in ("control", "dose"):
                if getattr(self, name) is not None:
                    raise DataError(
                        f"{name} is {shown(_joined(getattr(self, name)))}, and no perturbation is given; say which "
                        "column of .obs has the perturbations"
                    )
        elif self.control is None:
            raise DataError(
                f"perturbation is {shown(_joined(self.perturbation))}, and no control is given; say which label the "
                "control cells have (in Python, control=() says that there are none)"
            )
        if not isinstance(self.separator, str):
            raise DataError(f"separator is {shown(self.separator)}; it must be text, empty for none")
        if self.dose is not None and len(self.dose_columns) != len(self.perturbation_columns):
            raise DataError(
                f"{len(self.dose_columns)} columns of doses for {len(self.perturbation_columns)} of perturbations; "
                "each column of perturbations needs its own"
            )

    @property
    def perturbation_columns(self) -> tuple[str, ...]:
        """The columns of perturbations."""
        return _as_tuple(self.perturbation)

    @property
    def dose_columns(self) -> tuple[str, ...]:
        """The columns of doses, in the order of those of perturbations; empty without doses."""
        return _as_tuple(self.dose)

    @property
    def covariate_columns(self) -> tuple[str, ...]:
        """The columns of covariates."""
        return _as_tuple(self.covariates)

    @property
    def controls(self) -> tuple[str, ...]:
        """The labels of the control."""
        return tuple(label.strip() for label in _as_tuple(self.control))


class AnnDataKeywords(TypedDict, total=False):
    """The fields of `AnnDataOptions` as keyword arguments, for type checkers."""

    perturbation: Names | None
    control: Names | None
    separator: str
    dose: Names | None
    layer: str | None
    covariates: Names
    genes: str | None
    shuffle_seed: int | None


def _as_tuple(names: Names | None) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _joined(names: Names) -> str:
    return ", ".join(_as_tuple(names))
