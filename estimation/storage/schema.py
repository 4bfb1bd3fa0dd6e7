"""What a description read from a file may say: forms, checked before anything of it is used.

A form says no more than a type and a range. `check` walks a value along it and names the first place that differs::

    SHAPE = Fields({"n_latents": Whole(1, 10_000), "past": Flag()})
    check({"n_latents": "3", "past": True}, SHAPE, "shape")     # shape.n_latents is '3'; it must be ...
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estimation.exceptions import CheckpointError
from identify.names import quoted, shown

__all__ = ["Anything", "Fields", "Flag", "Form", "Many", "Maybe", "Real", "Table", "Text", "Whole", "check"]

_GREATEST = sys.float_info.max


def check(value: Any, form: Form, where: str = "it") -> None:
    """Hold a value against a form.

    Args:
        value: what JSON may hold.
        form: what it should be.
        where: what to call it.

    Raises:
        CheckpointError: it is something else; the text names the place, what is there and what should be.

    Example:
        >>> check([1, 2, None], Many(Whole()), "sizes")
        Traceback (most recent call last):
        ...
        estimation.exceptions.CheckpointError: sizes[2] is None; it must be a whole number
    """
    form.check(value, where)


class Form(ABC):
    """What a value may be."""

    @property
    @abstractmethod
    def described(self) -> str:
        """Behind the words "it must be"."""

    @abstractmethod
    def check(self, value: Any, where: str) -> None:
        """As the function `check`."""

    def refuse(self, value: Any, where: str) -> CheckpointError:
        """The error to raise."""
        return CheckpointError(f"{where} is {quoted(value)}; it must be {self.described}")


@dataclass(frozen=True)
class Whole(Form):
    """A whole number within a range."""

    low: int | None = None
    high: int | None = None

    @property
    def described(self) -> str:
        parts = [f" from {self.low}"] * (self.low is not None) + [f" to {self.high}"] * (
            self.high is not None
        )
        return "a whole number" + "".join(parts)

    def check(self, value: Any, where: str) -> None:
        within = isinstance(value, int) and not isinstance(value, bool)
        within = within and (self.low is None or value >= self.low)
        if not within or (self.high is not None and value > self.high):
            raise self.refuse(value, where)


@dataclass(frozen=True)
class Real(Form):
    """A finite number within a range."""

    low: float = -_GREATEST
    high: float = _GREATEST

    @property
    def described(self) -> str:
        if (self.low, self.high) == (-_GREATEST, _GREATEST):
            return "a finite number"
        return f"a number from {self.low:g} to {self.high:g}"

    def check(self, value: Any, where: str) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # nan is within no range
        if not is_number or not self.low <= value <= self.high:
            raise self.refuse(value, where)


@dataclass(frozen=True)
class Flag(Form):
    """True or false."""

    @property
    def described(self) -> str:
        return "true or false"

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, bool):
            raise self.refuse(value, where)


@dataclass(frozen=True)
class Text(Form):
    """A printable text, or one of some."""

    choices: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        return f"one of {', '.join(self.choices)}" if self.choices else "a printable text"

    def check(self, value: Any, where: str) -> None:
        if (
            not isinstance(value, str)
            or not value.isprintable()
            or (self.choices and value not in self.choices)
        ):
            raise self.refuse(value, where)


@dataclass(frozen=True)
class Maybe(Form):
    """None, or what another form says."""

    form: Form

    @property
    def described(self) -> str:
        return f"{self.form.described}, or null"

    def check(self, value: Any, where: str) -> None:
        if value is not None:
            self.form.check(value, where)


@dataclass(frozen=True)
class Many(Form):
    """A list, of distinct entries if so said, perhaps of a fixed length."""

    form: Form
    distinct: bool = False
    length: int | None = None

    @property
    def described(self) -> str:
        return "a list" if self.length is None else f"a list of {self.length}"

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or (self.length is not None and len(value) != self.length):
            raise self.refuse(value, where)
        for k, entry in enumerate(value):
            self.form.check(entry, f"{where}[{k}]")
        if self.distinct and len(set(value)) < len(value):
            raise CheckpointError(f"{where} is {quoted(value)}; its entries must be distinct")


@dataclass(frozen=True)
class Table(Form):
    """An object whose keys are free, and whose values have one form."""

    form: Form

    @property
    def described(self) -> str:
        return "an object"

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise self.refuse(value, where)
        for key, entry in value.items():
            self.form.check(entry, f"{where}.{shown(key)}")


@dataclass(frozen=True)
class Fields(Form):
    """An object with known keys. Unknown ones are left to later releases, unless it is closed."""

    required: Mapping[str, Form]
    optional: Mapping[str, Form] = field(default_factory=dict)
    closed: bool = False

    @property
    def described(self) -> str:
        return "an object"

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise self.refuse(value, where)
        for key, form in self.required.items():
            if key not in value:
                raise CheckpointError(f"{where}.{key} is missing; it must be {form.described}")
            form.check(value[key], f"{where}.{key}")
        for key, form in self.optional.items():
            if key in value:
                form.check(value[key], f"{where}.{key}")
        unknown = next((key for key in value if key not in {**self.required, **self.optional}), None)
        if self.closed and unknown is not None:
            raise CheckpointError(f"{where}.{shown(unknown)} is not known")


@dataclass(frozen=True)
class Anything(Form):
    """Whatever JSON can hold; somebody else looks at it."""

    @property
    def described(self) -> str:
        return "anything"

    def check(self, value: Any, where: str) -> None:
        """Nothing is refused."""
