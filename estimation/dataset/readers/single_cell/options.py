"""`AnnDataOptions`: which columns of ``.obs`` and ``.var``, and which layer, become what in a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from estimation.exceptions import DataError
from identify.names import shown

__all__ = ["AnnDataKeywords", "AnnDataOptions"]

Names = str | Sequence[str]

# what is stored with a dataset or a model
_STORED = ("perturbation", "control", "separator", "dose", "layer")


@dataclass(frozen=True)
class AnnDataOptions:
    """Options of AnnData; ``Dataset.from_anndata`` and ``Dataset.read`` take its fields as keyword arguments.

    Where data are read for a model or like other data, an option that isn't given, so None, is what it was there.

    Attributes:
        perturbation: Column of ``.obs`` with the perturbation of each cell, or several columns, whose perturbations
            are combined. None, or an empty tuple, reads no actions.
        control: Label of cells without a perturbation, also as a part of a joined label (``"A+ctrl"``); or several
            such labels. An empty tuple says that there are no such cells.
        separator: Text between the perturbations of one cell, as in ``"A+B"``; empty if labels are never joined. None
            is ``"+"``.
        dose: Column of ``.obs`` with the doses, one per column of perturbations: numbers, or numbers joined by the
            separator like the perturbations. None, or an empty tuple, makes actions 0 or 1.
        layer: Layer to read instead of ``X``; ``"X"`` is ``X`` too, unless a layer has this name.
        genes: Boolean column of ``.var`` that selects the genes, for instance ``"highly_variable"``.
        shuffle_seed: Seed of a random order of the cells; None keeps their order.
    """

    perturbation: Names | None = None
    control: Names | None = None
    separator: str | None = None
    dose: Names | None = None
    layer: str | None = None
    genes: str | None = None
    shuffle_seed: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.separator, str | None):
            raise DataError(f"separator is {shown(self.separator)}; it must be text, empty for none")

    def require_complete(self) -> None:
        """Require columns of perturbations with a control, and one column of doses for each.

        Raises:
            DataError: If one is missing.
        """
        if self.perturbation is None:
            for name in ("control", "dose"):
                if getattr(self, name) is not None:
                    raise DataError(
                        f"{name} is {shown(_joined(getattr(self, name)))}, and no perturbation is given; say which "
                        "column of .obs has the perturbations"
                    )
        if self.perturbation_columns and self.control is None:
            raise DataError(
                f"perturbation is {shown(_joined(self.perturbation_columns))}, and no control is given; say which "
                "label the control cells have (in Python, control=() says that there are none)"
            )
        if self.dose_columns and len(self.dose_columns) != len(self.perturbation_columns) > 0:
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
    def joint(self) -> str:
        """The text between the perturbations of one cell, ``"+"`` if none was given."""
        return "+" if self.separator is None else self.separator

    @property
    def controls(self) -> tuple[str, ...]:
        """The labels of the control."""
        return tuple(label.strip() for label in _as_tuple(self.control))

    def completed(self, training: AnnDataOptions | None) -> AnnDataOptions:
        """Return these options, with those that aren't given as they were for the training data.

        Which genes and which order of the cells were chosen is not taken over: genes are known by their names.

        Args:
            training: Options of the training data; None if they aren't known.

        Example:
            >>> AnnDataOptions(layer="log").completed(AnnDataOptions("guides", "ctrl", layer="counts")).layer
            'log'
        """
        if training is None:
            return self
        given = {name: getattr(self, name) for name in _STORED}
        return replace(self, **{k: getattr(training, k) for k, value in given.items() if value is None})

    def to_dict(self) -> dict[str, Any]:
        """Return what a dataset or a model stores, for JSON."""
        content = {name: getattr(self, name) for name in _STORED}
        return {k: list(value) if isinstance(value, tuple) else value for k, value in content.items()}

    @classmethod
    def from_dict(cls, content: Any) -> AnnDataOptions:
        """Return the options that `to_dict` wrote.

        Raises:
            DataError: If the content is damaged.

        Example:
            >>> AnnDataOptions.from_dict(AnnDataOptions("guides", ("a", "b")).to_dict()).controls
            ('a', 'b')
        """
        if not isinstance(content, dict) or set(content) != set(_STORED):
            raise DataError("the options of AnnData are damaged; they must be " + ", ".join(_STORED))
        values: dict[str, Any] = {
            k: tuple(value) if isinstance(value, list) else value for k, value in content.items()
        }
        for name, value in values.items():
            texts = value if isinstance(value, tuple) and name not in ("separator", "layer") else (value,)
            if value is not None and not all(isinstance(text, str) for text in texts):
                raise DataError(f"the options of AnnData are damaged; {name} must be text")
        return cls(**values)


class AnnDataKeywords(TypedDict, total=False):
    """The fields of `AnnDataOptions` as keyword arguments, for type checkers."""

    perturbation: Names | None
    control: Names | None
    separator: str | None
    dose: Names | None
    layer: str | None
    genes: str | None
    shuffle_seed: int | None


def _as_tuple(names: Names | None) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _joined(names: Names) -> str:
    return ", ".join(_as_tuple(names))
