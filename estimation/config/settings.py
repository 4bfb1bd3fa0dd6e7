"""Base class of all settings: frozen dataclasses whose values are checked, read from Python, TOML or ``key=value``."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, overload

from estimation.exceptions import ConfigError
from identify.exceptions import FormatError
from identify.names import quoted
from identify.toml_files import parse_toml, read_toml

__all__ = ["MOST_STEPS", "Derived", "ObservationTransform", "Settings", "read_changes", "read_settings"]

MOST_STEPS = 100_000_000
# what happens to observations before they are standardised, in all methods
ObservationTransform = Literal["auto", "none", "arcsinh"]
S = TypeVar("S", bound="Settings")
T = TypeVar("T")


class Derived(Generic[T]):
    """A field of a settings class whose default depends on other settings, such as a preset.

    The field reads as the value given, or else as the default, and so has a plain type. The class is a descriptor,
    which dataclasses support as the default of a field.

    Args:
        default: Computes the default from the settings, which are complete then but for fields of this kind.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Square:
        ...     width: int
        ...     height: Derived[int] = Derived(lambda square: square.width)
        >>> Square(3).height, Square(3, height=4).height
        (3, 4)
    """

    def __init__(self, default: Callable[[Any], T]) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | None:
        if instance is None:
            return None
        value: T | None = vars(instance)[self._name]
        return self._default(instance) if value is None else value

    def __set__(self, instance: object, value: T | None) -> None:
        vars(instance)[self._name] = value


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of frozen dataclasses whose fields are integers, numbers, texts, choices, tuples, or None.

    A derived class calls `check` in its ``__post_init__``, and checks its tuples itself.

    Attributes:
        RANGES: The least and greatest value of a field, by name.
        FORMER_NAMES: Fields that were renamed, by the name that older versions stored; `from_dict` reads these.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Walk(Settings):
        ...     RANGES = {"steps": (1, 10)}
        ...     steps: int = 5
        >>> Walk.from_dict({"steps": 3}).replace(steps=4).to_dict()
        {'steps': 4}
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {}
    FORMER_NAMES: ClassVar[Mapping[str, str]] = {}

    def check(self) -> None:
        """Check every field.

        Raises:
            ConfigError: If a value has another type than its annotation, or is out of its range.
        """
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            hint = hints[field.name]
            if typing.get_origin(hint) is Derived:
                (hint,) = typing.get_args(hint)
            _check(field.name, getattr(self, field.name), hint, self.RANGES)

    def replace(self, **changes: Any) -> Self:
        """Return a configuration with some settings changed; values that came from a preset are kept.

        Raises:
            ConfigError: If a setting is unknown or out of its range.
        """
        _require_known(type(self), changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings, ready for JSON: tuples as lists."""
        settings = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Return the configuration with these settings, some of which may have the names of older versions.

        Raises:
            ConfigError: If a setting is unknown, given twice, of another type, or out of its range.
        """
        settings = _with_current_names(cls, settings)
        _require_known(cls, settings)
        for field in dataclasses.fields(cls):
            if field.default is dataclasses.MISSING and field.name not in settings:
                raise ConfigError(f"the setting {field.name} is missing")
        return cls(**settings)


def read_settings(
    kind: type[S], path: str | os.PathLike[str] | None, changes: Iterable[str] = (), **fixed: Any
) -> S:
    """Read settings from a TOML file, and apply ``key=value`` changes.

    Args:
        kind: Class of the settings.
        path: TOML file with the settings at its top level, or None for the defaults.
        changes: Changes such as ``"steps=2000"``; values are written as in TOML, and a bare word is text.
        fixed: Settings that file and changes must not contradict.

    Raises:
        ConfigError: If the file is not TOML, or a setting is unknown or out of its range.
        FileAccessError: If the file can't be read.
    """
    try:
        settings = {} if path is None else read_toml(path)
    except FormatError as error:
        raise ConfigError(str(error)) from error
    settings |= read_changes(changes)
    for name, value in fixed.items():
        if settings.setdefault(name, value) != value:
            raise ConfigError(
                f"{name} is {quoted(settings[name])} in the settings and {quoted(value)} as an option; keep one"
            )
    try:
        return kind.from_dict(settings)
    except ConfigError as error:
        if path is None:
            raise
        raise ConfigError(f"{os.fspath(path)}: {error}") from error


def read_changes(changes: Iterable[str]) -> dict[str, Any]:
    """Parse settings from ``key=value`` texts.

    Raises:
        ConfigError: If a text has no equals sign.

    Example:
        >>> read_changes(["steps=500", "optimizer=adam"])
        {'steps': 500, 'optimizer': 'adam'}
    """
    settings = {}
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator:
            raise ConfigError(f"{quoted(change)} is not a setting; write key=value, for instance steps=2000")
        settings[key.strip()] = _value(text.strip())
    return settings


def _value(text: str) -> Any:
    try:
        content = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except FormatError as error:
        raise ConfigError(f"{quoted(text)} is not the value of a setting: it {error}") from error
    # a line break would start another key, which must not be dropped
    return content["value"] if len(content) == 1 else text


def _require_known(kind: type[Settings], settings: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(kind)]
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ConfigError(f"no setting is called {quoted(name)}; {hint}")


def _with_current_names(kind: type[Settings], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    renamed = {name: kind.FORMER_NAMES.get(name, name) for name in settings}
    for former, name in renamed.items():
        if former != name and name in settings:
            raise ConfigError(f"{name} is given twice, as {former} too, its former name; keep one")
    return {renamed[name]: value for name, value in settings.items()}


def _check(name: str, value: Any, allowed: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    options = typing.get_args(allowed)
    if value is None and type(None) in options:
        return
    if any(typing.get_origin(option) is tuple for option in (allowed, *options)):
        return
    choices = [choice for option in (allowed, *options) for choice in _choices(option)]
    if value in choices:
        return
    # the options of a plain Literal are its values
    kinds = tuple(
        option for option in (options or (allowed,)) if isinstance(option, type) and option is not type(None)
    )
    if not kinds:
        raise ConfigError(f"{name} is {quoted(value)}; it is one of {', '.join(map(str, choices))}")
    _check_number_or_text(name, value, kinds, choices, ranges)


def _check_number_or_text(
    name: str,
    value: Any,
    kinds: tuple[Any, ...],
    choices: Sequence[Any],
    ranges: Mapping[str, tuple[float, float]],
) -> None:
    if float in kinds:
        kinds = (*kinds, int)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join([_KINDS[kinds[0]], *map(repr, choices)])
        raise ConfigError(f"{name} is {quoted(value)}; it must be {wanted}")
    if name in ranges:
        low, high = ranges[name]
        if not low <= value <= high:
            raise ConfigError(f"{name} is {quoted(value)}; it must be from {low:g} to {high:g}")


def _choices(option: Any) -> tuple[Any, ...]:
    return typing.get_args(option) if typing.get_origin(option) is Literal else ()


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
