"""Labels of perturbations and doses -> one action per perturbation.

A label is one perturbation (``"A"``), several ones (``"A+B"``) or the control. The order of the parts, repeats and
white space don't matter, and a part that is the control (``"A+ctrl"``, as in the data of Norman et al., Science 2019)
adds nothing. A dose is a number, or numbers joined like the perturbations (``"1.0+0.5"``, as in CPA and pertpy).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.dataset.readers.cells import BadCellError, is_missing, parse_number
from estimation.dataset.readers.column_matching import quoted_names
from estimation.dataset.readers.files import shortened
from estimation.dataset.readers.single_cell.obs_columns import Labels, cell_name, labels_of, obs_column
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.exceptions import DataError
from identify.wording import listed, plural

__all__ = ["Perturbations", "perturbations_of"]

_N_NEAR = 3
# below this share of equal letters, two labels are not similar
_SIMILARITY = 0.6


@dataclass(frozen=True, eq=False)
class Perturbations:
    """The actions of the cells.

    Attributes:
        actions: 0 or 1, or the dose, shape (N, d_a), float32.
        names: The perturbation of each column, sorted, or in the order of the training data.
        notes: Remarks for the user.
    """

    actions: NDArray[np.float32]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def perturbations_of(
    obs: Any, cells: Sequence[Any], options: AnnDataOptions, training_names: Sequence[str] | None = None
) -> Perturbations | None:
    """Return the actions in the columns of perturbations and doses; None if no column is named.

    Args:
        obs: The table of the cells.
        cells: Names of the cells.
        options: The columns, the labels of the control, and the separator.
        training_names: Perturbations of the training data, which become the columns in their order; a perturbation
            that doesn't occur here is zero, and the control may be missing. None for those that occur.

    Raises:
        DataError: If a column or a label is missing, a label or a dose can't be read, no cell has the label of the
            control, or a perturbation is not one of the training data.
    """
    options.require_complete()
    if not options.perturbation_columns:
        return None
    groups: list[_Group] = []
    for position, column in enumerate(options.perturbation_columns):
        where = f"column {shortened(column)} of .obs"
        labels = labels_of(
            obs_column(obs, column, "perturbation"),
            where,
            cells,
            options.controls,
            "; give cells without a perturbation the label of the control",
        )
        groups += _Parser(options, where, cells).groups(labels, _dose_labels(obs, cells, options, position))
    occurring = sorted({name for group in groups for name in group.doses})
    if training_names is None:
        _require_control(options, {part for group in groups for part in group.parts})
    else:
        _require_known(groups, training_names, cells)
    names = tuple(occurring if training_names is None else training_names)
    if not names:
        raise DataError("every cell is a control; there is no perturbation to learn from")
    actions = _actions(groups, names, cells)
    is_applied = ~np.isnan(actions)
    np.nan_to_num(actions, copy=False)
    notes = _notes(actions, is_applied, names) + _notes_on_controls(occurring, options.controls)
    return Perturbations(actions, names, notes)


def _actions(groups: Sequence[_Group], names: Sequence[str], cells: Sequence[Any]) -> NDArray[np.float32]:
    """Return the dose of each perturbation, shape (N, d_a); NaN where it isn't applied."""
    positions = {name: k for k, name in enumerate(names)}
    actions = np.full((len(cells), len(names)), np.nan, dtype=np.float32)
    for group in groups:
        for name, dose in group.doses.items():
            value, before = np.float32(dose), actions[group.rows, positions[name]]
            conflict = np.flatnonzero(~np.isnan(before) & (before != value))
            if conflict.size:
                raise DataError(
                    f"{cell_name(cells, group.rows[conflict[0]])} has {shortened(name)} twice, with the doses "
                    f"{before[conflict[0]]:g} and {value:g}"
                )
            actions[group.rows, positions[name]] = value
    return actions


def _notes(
    actions: NDArray[np.float32], is_applied: NDArray[np.bool_], names: Sequence[str]
) -> tuple[str, ...]:
    n_perturbations, n_cells = is_applied.sum(axis=1), is_applied.sum(axis=0)
    n_combined = int((n_perturbations > 1).sum())
    combined = f" ({plural(n_combined, 'cell')} with several of them)" if n_combined else ""
    notes = [
        f"{plural(int((n_cells > 0).sum()), 'perturbation')}{combined} and "
        f"{plural(int((n_perturbations == 0).sum()), 'control cell')}"
    ]
    lone = [name for name, count in zip(names, n_cells, strict=True) if count == 1]
    if lone:
        effects = "its effect" if len(lone) == 1 else "their effects"
        notes.append(
            f"{quoted_names(lone, 'perturbation')} in one cell only: {effects} can't be told from noise"
        )
    n_zero = int((is_applied & (actions == 0)).sum())
    if n_zero:
        notes.append(f"{plural(n_zero, 'dose')} of 0, which mean the same as no perturbation")
    return tuple(notes)


def _notes_on_controls(names: Sequence[str], controls: Sequence[str]) -> tuple[str, ...]:
    """Return a note if perturbations contain the label of the control as a word, like ``A_ctrl``."""
    words = "|".join(re.escape(control) for control in controls)
    pattern = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])")
    found = [name for name in names if words and pattern.search(name)]
    if not found:
        return ()
    return (
        f"{quoted_names(found, 'perturbation')} with the label of the control inside: give the separator if it joins "
        "perturbations, or name it as a control too if it is one",
    )


@dataclass(frozen=True, eq=False)
class _Group:
    """Cells with equal labels and doses: the parts of the label, and the dose of each perturbation among them."""

    rows: NDArray[np.intp]
    parts: tuple[str, ...]
    doses: dict[str, float]


class _Parser:
    """Reads every distinct label, or pair of a label and a dose, of a column once."""

    def __init__(self, options: AnnDataOptions, column: str, cells: Sequence[Any]) -> None:
        # white space around a separator doesn't matter, unless it is the separator
        self._separator = options.joint.strip() or options.joint
        self._controls = set(options.controls)
        self._column, self._cells = column, cells

    def groups(self, labels: Labels, dose: Labels | None) -> list[_Group]:
        """Return the cells of each label and dose, and what they mean."""
        n_doses = 1 if dose is None else len(dose.texts)
        keys = labels.codes * n_doses + (0 if dose is None else dose.codes)
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        result = []
        for key, rows in zip(distinct.tolist(), np.split(order, starts[1:]), strict=True):
            code, dose_code = divmod(key, n_doses)
            text = None if dose is None else dose.texts[dose_code]
            where = f"{self._column}, {cell_name(self._cells, rows[0])},"
            result.append(_Group(rows, *self._parsed(labels.texts[code], text, where)))
        return result

    def _parts(self, text: str) -> list[str]:
        # a control may contain the separator, like "non+targeting"
        if not self._separator or text in self._controls:
            return [text]
        return [part.strip() for part in text.split(self._separator)]

    def _parsed(self, label: str, dose: str | None, where: str) -> tuple[tuple[str, ...], dict[str, float]]:
        """Return the parts of a label, and the dose of each perturbation."""
        parts = self._parts(label)
        if "" in parts:
            raise DataError(
                f"{where} is {shortened(label)}, which has an empty part; {shortened(self._separator)} separates the "
                "perturbations of a cell, unless another separator is given"
            )
        perturbations = [part for part in parts if part not in self._controls]
        if dose is None or not perturbations:
            return tuple(parts), dict.fromkeys(perturbations, 1.0)
        texts = dose.split(self._separator) if self._separator else [dose]
        if len(texts) not in (len(parts), len(perturbations)):
            raise DataError(
                f"{where} is {shortened(label)} and has the dose {shortened(dose)}; "
                f"{plural(len(perturbations), 'perturbation')} need {plural(len(perturbations), 'dose')}"
            )
        doses: dict[str, float] = {}
        for name, text in zip(parts if len(texts) == len(parts) else perturbations, texts, strict=True):
            if name in self._controls:
                continue
            value = _dose_value(text, where)
            if doses.setdefault(name, value) != value:
                raise DataError(
                    f"{where} has {shortened(name)} twice, with the doses {doses[name]:g} and {value:g}"
                )
        return tuple(parts), doses


def _dose_labels(obs: Any, cells: Sequence[Any], options: AnnDataOptions, position: int) -> Labels | None:
    if not options.dose_columns:
        return None
    column = options.dose_columns[position]
    # control cells need no dose: a missing one is refused where a perturbation needs it
    values = ["" if is_missing(cell) else cell for cell in obs_column(obs, column, "dose")]
    return labels_of(values, f"column {shortened(column)} of .obs", cells, ("",))


def _dose_value(text: str, where: str) -> float:
    try:
        value = parse_number(text)
    except BadCellError as error:
        raise DataError(f"{where} has a dose that is {error}") from error
    if value < 0:
        raise DataError(
            f"{where} has the dose {value:g}; a dose is 0 or positive, where 0 means no perturbation (exponentiate "
            "logarithms of doses)"
        )
    return value


def _require_control(options: AnnDataOptions, occurring: set[str]) -> None:
    for control in options.controls:
        if control in occurring:
            continue
        near = _near(control, occurring)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _some_labels(occurring)
        raise DataError(f"control: no cell has the label {shortened(control)}; {hint}")


def _near(control: str, labels: set[str]) -> list[str]:
    """Return the labels that are spelled like a control, in any case, the most similar first."""
    by_case: dict[str, list[str]] = {}
    for label in sorted(labels):
        by_case.setdefault(label.casefold(), []).append(label)
    similar = difflib.get_close_matches(control.casefold(), list(by_case), _N_NEAR, _SIMILARITY)
    usual = [key for key in by_case if key in ("control", "ctrl", "non-targeting", "nt", "dmso", "vehicle")]
    return [label for key in dict.fromkeys([*similar, *usual]) for label in by_case[key]][:_N_NEAR]


def _some_labels(labels: set[str]) -> str:
    return f"the labels are {listed([shortened(label)[1:-1] for label in sorted(labels)], 6)}"


def _require_known(groups: Sequence[_Group], training_names: Sequence[str], cells: Sequence[Any]) -> None:
    known = set(training_names)
    first = {name: int(group.rows[0]) for group in groups for name in group.doses if name not in known}
    if first:
        unknown = sorted(first)
        raise DataError(
            f"{quoted_names(unknown, 'perturbation')} (first in {cell_name(cells, first[unknown[0]])}) did not occur "
            "in training; leave those cells out"
        )
