"""Labelled arrays of xarray: text along the last dimension names the columns.

xarray is not imported: any array with named dimensions and coordinates is a labelled one.
"""

from __future__ import annotations

from typing import Any

from estimation.dataset.readers.column_matching import unique_names

__all__ = ["column_labels", "is_labelled_array", "without_labels"]


def is_labelled_array(values: Any) -> bool:
    """Return whether an object is an array with named dimensions.

    Example:
        >>> is_labelled_array([[1.0]])
        False
    """
    return all(hasattr(values, name) for name in ("dims", "coords", "to_pandas", "to_numpy", "ndim"))


def without_labels(values: Any, keep_names: bool = False) -> Any:
    """Return a labelled array as an array, or as a data frame if it holds text; other objects as they are.

    Args:
        values: Any object.
        keep_names: Whether numbers in two dimensions become a data frame as well, if text names the columns.
    """
    if not is_labelled_array(values):
        return values
    is_number = values.dtype.kind in "biuf"
    names_columns = keep_names and column_labels(values, "columns") is not None
    return values.to_pandas() if values.ndim == 2 and (names_columns or not is_number) else values.to_numpy()


def column_labels(values: Any, what: str) -> tuple[str, ...] | None:
    """Return the text along the last dimension of a labelled array; None if there is none, and for other objects.

    Args:
        values: Any object.
        what: Name of the values in error messages.

    Raises:
        DataError: If two columns have the same name.
    """
    if not is_labelled_array(values) or not values.ndim or values.dims[-1] not in values.coords:
        return None
    labels = values.coords[values.dims[-1]].to_numpy().tolist()
    if not all(isinstance(label, str) for label in labels):
        return None
    return unique_names(labels, what)
