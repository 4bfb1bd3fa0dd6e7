"""Forms of JSON content: types and ranges, checked before any value of a file is used.

A form states a type and a range, no more. `check` walks through a value and reports the first place that differs::

    SHAPE = Fields({"n_latents": Whole(1, 10_000), "past": Flag()})
    check({"n_latents": "3", "past": True}, SHAPE, "shape")     # shape.n_latents is '3'; it must be ...
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from estimation.exceptions import CheckpointError
from identify.names import quoted, shown

__all__ = ["Anything", "Fields", "Flag", "Form", "Many", "Maybe", "Real", "Table", "Text", "Whole", "check"]

_LARGEST = sys.float_info.max


def check(value: Any, form: Form, where: str = "it") -> None:
    """Require that a value has a form.

    Args:
        value: A value from a JSON file.
        form: Required form.
        where: Name of the value in error messages.

    Raises:
        CheckpointError: If it differs; the message gives the place, the value there, and what is required.

    Example:
        >>> check([1, 2, None], Many(Whole()), "sizes")
        Traceback (most recent call last):
        ...
        estimation.exceptions.CheckpointError: sizes[2] is None; it must be a whole number
    """
    if not form.accepts(value):
        raise CheckpointError(f"{where} is {quoted(value)}; it must be {form.described}")
    for place, entry, entry_form in form.entries(value, where):
        check(entry, entry_form, place)
    problem = form.problem(value)
    if problem is not None:
        raise CheckpointError(f"{where}{problem}")


class Form(ABC):
    """A set of values, described in words."""

    @property
    @abstractmethod
    def described(self) -> str:
        """Description of the accepted values, as a noun phrase."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Return whether a value has the form, apart from its entries."""

    def entries(self, value: Any, where: str) -> Iterator[tuple[str, Any, Form]]:
        """Yield the place, the value and the required form of each entry of an accepted value."""
        yield from ()

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value whose entries are valid, as text that follows its name, or None."""
        return None


@dataclass(frozen=True)
class Whole(Form):
    """A whole number within a range."""

    low: int | None = None
    high: int | None = None

    @property
    def described(self) -> str:
        low = "" if self.low is None else f" from {self.low}"
        high = "" if self.high is None else f" to {self.high}"
        return f"a whole number{low}{high}"

    def accepts(self, value: Any) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Real(Form):
    """A finite number within a range."""

    low: float = -_LARGEST
    high: float = _LARGEST

    @property
    def described(self) -> str:
        if (self.low, self.high) == (-_LARGEST, _LARGEST):
            return "a finite number"
        return f"a number from {self.low:g} to {self.high:g}"

    def accepts(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # NaN is in no range
        return is_number and self.low <= value <= self.high


@dataclass(frozen=True)
class Flag(Form):
    """True or false."""

    @property
    def described(self) -> str:
        return "true or false"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Text(Form):
    """A printable text, or one of several choices."""

    choices: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        return f"one of {', '.join(self.choices)}" if self.choices else "a printable text"

    def accepts(self, value: Any) -> bool:
        if not isinstance(value, str) or not value.isprintable():
            return False
        return not self.choices or value in self.choices


@dataclass(frozen=True)
class Maybe(Form):
    """None, or a value of another form."""

    form: Form

    @property
    def described(self) -> str:
        return f"{self.form.described}, or null"

    def accepts(self, value: Any) -> bool:
        return True

    def entries(self, value: Any, where: str) -> Iterator[tuple[str, Any, Form]]:
        if value is not None:
            yield where, value, self.form


@dataclass(frozen=True)
class Many(Form):
    """A list, of distinct entries or of a fixed length if required."""

    form: Form
    distinct: bool = False
    length: int | None = None

    @property
    def described(self) -> str:
        return "a list" if self.length is None else f"a list of {self.length}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and (self.length is None or len(value) == self.length)

    def entries(self, value: Any, where: str) -> Iterator[tuple[str, Any, Form]]:
        for k, entry in enumerate(value):
            yield f"{where}[{k}]", entry, self.form

    def problem(self, value: Any) -> str | None:
        if self.distinct and len(set(value)) < len(value):
            return f" is {quoted(value)}; its entries must be distinct"
        return None


class _Object(Form):
    """An object of JSON."""

    @property
    def described(self) -> str:
        return "an object"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, dict)


@dataclass(frozen=True)
class Table(_Object):
    """An object with any keys, whose values have one form."""

    form: Form

    def entries(self, value: Any, where: str) -> Iterator[tuple[str, Any, Form]]:
        for key, entry in value.items():
            yield f"{where}.{shown(key)}", entry, self.form


@dataclass(frozen=True)
class Fields(_Object):
    """An object with known keys. Further keys, of later releases, are ignored unless it is closed."""

    required: Mapping[str, Form]
    optional: Mapping[str, Form] = field(default_factory=dict)
    closed: bool = False

    def entries(self, value: Any, where: str) -> Iterator[tuple[str, Any, Form]]:
        for key, form in self.required.items():
            if key not in value:
                raise CheckpointError(f"{where}.{key} is missing; it must be {form.described}")
            yield f"{where}.{key}", value[key], form
        for key, form in self.optional.items():
            if key in value:
                yield f"{where}.{key}", value[key], form

    def problem(self, value: Any) -> str | None:
        unknown = next((key for key in value if key not in {**self.required, **self.optional}), None)
        return f".{shown(unknown)} is unknown" if self.closed and unknown is not None else None


@dataclass(frozen=True)
class Anything(Form):
    """Any value of JSON, which other code checks."""

    @property
    def described(self) -> str:
        return "anything"

    def accepts(self, value: Any) -> bool:
        return True
