"""Mechanisms from a file: TOML with formulas, or a Python file that makes them.

::

    latents = ["z0", "z1"]
    actions = ["dose"]
    past = ["p0", "p1"]                     # or [["p0", "p1"], ["q0", "q1"]] for two lags

    [log_densities]
    z0 = "gaussian(z0, p0 + sin(dose))"
    z1 = "gaussian(z1, p1 * dose, 0.01)"

    [action_values]                         # of actions with finitely many values
    dose = [0, 1, 2]
"""

from __future__ import annotations

import codecs
import os
import runpy
import tomllib
from pathlib import Path
from typing import Any

from identify.exceptions import FormatError, IdentifyError, RequestError, UndecidedError
from identify.files import read_bytes
from identify.mechanisms.formulas import formula, normal_name
from identify.mechanisms.model import Mechanisms
from identify.names import quoted
from identify.proof.deadline import OutOfTimeError, checked_seconds, within
from identify.proof.vanishing import SECONDS

__all__ = ["read_mechanisms"]

_SECONDS = 30.0
_LARGEST = 10_000_000
_MOST_BITS = 15_000
_NO_NUMBERS = ("inf", "-inf", "nan")
_KEYS = ("latents", "actions", "past", "log_densities", "action_values")
_VARIABLE = "mechanisms"


def read_mechanisms(path: str | os.PathLike[str], seconds: float = _SECONDS) -> Mechanisms:
    """Read mechanisms from a file.

    Args:
        path: A ``.toml`` file as the module's docstring shows it, in which nothing is run; or a ``.py`` file that sets
            ``mechanisms``, which is run: only your own.
        seconds: For making the formulas of a TOML file, which sympy simplifies as they are read.

    Raises:
        FileAccessError: If it can't be read.
        FormatError: If another suffix, no TOML, a key missing or unknown, a formula that can't be read, or a Python file
            that fails or sets no ``mechanisms``.
        MechanismError: If as `Mechanisms`.
        RequestError: If a density that can't be, such as one with a negative variance.
        UndecidedError: If sympy has not made the formulas in that time.
    """
    file = Path(path)
    if file.suffix == ".toml":
        return _from_toml(file, checked_seconds(seconds))
    if file.suffix == ".py":
        return _from_python(file)
    raise FormatError(
        f"{file}: mechanisms are read from .toml or .py files, not from {file.suffix or 'no suffix'}"
    )


def _from_python(file: Path) -> Mechanisms:
    # a clear line for a file that isn't there
    read_bytes(file, _LARGEST)
    try:
        found = runpy.run_path(str(file)).get(_VARIABLE)
    except IdentifyError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own file does
        raise FormatError(f"{file}: running it failed ({type(error).__name__}: {error})") from error
    if not isinstance(found, Mechanisms):
        raise FormatError(f"{file}: sets no variable '{_VARIABLE}' with Mechanisms")
    return found


def _from_toml(file: Path, seconds: float) -> Mechanisms:
    # editors on Windows begin a file with a byte order mark
    text = read_bytes(file, _LARGEST).removeprefix(codecs.BOM_UTF8)
    try:
        return within(seconds, lambda: _built(_content(text), seconds))
    except (FormatError, RequestError) as error:
        raise type(error)(f"{file}: {error}") from error
    except OutOfTimeError as error:
        raise UndecidedError(
            f"{file}: what its formulas say is undecided within {seconds:.3g} s; allow more time, or write simpler ones"
        ) from error


def _content(text: bytes) -> dict[str, Any]:
    try:
        content = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"is no TOML ({error})") from error
    except RecursionError as error:
        raise FormatError("is nested too deeply") from error
    except ValueError as error:
        # Python reads no integer of more than some thousand digits
        raise FormatError("holds a number of thousands of digits") from error
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise FormatError(f"has an unknown key {quoted(unknown[0])}; known are {', '.join(_KEYS)}")
    return content


def _built(content: dict[str, Any], seconds: float) -> Mechanisms:
    import sympy

    latents, actions = _names(content, "latents"), _names(content, "actions")
    lags = _lags(content)
    every = [*latents, *actions, *(name for lag in lags for name in lag)]
    normal: dict[str, str] = {}
    for name in every:
        other = normal.setdefault(normal_name(name), name)
        if other != name:
            raise FormatError(
                f"the names {quoted(other)} and {quoted(name)} are the same in a formula; rename one"
            )
    symbols = {name: sympy.Symbol(name, real=True) for name in every}
    given = content.get("log_densities", {})
    if not isinstance(given, dict) or set(given) != set(latents):
        raise FormatError("log_densities must hold one formula for each latent, by its name")
    values = content.get("action_values", {})
    if not isinstance(values, dict) or not all(isinstance(listed, list) for listed in values.values()):
        raise FormatError("action_values must hold a list of numbers for each action in it")
    unknown = sorted(set(values) - set(actions))
    if unknown:
        raise FormatError(f"action_values names {quoted(unknown[0])}, which is no action")
    return Mechanisms(
        [symbols[name] for name in latents],
        [_formula(name, given[name], symbols) for name in latents],
        [symbols[name] for name in actions],
        [[symbols[name] for name in lag] for lag in lags],
        {symbols[name]: [_number(value) for value in listed] for name, listed in values.items()},
        min(seconds, SECONDS),
    )


def _lags(content: dict[str, Any]) -> list[list[str]]:
    past = content.get("past", [])
    if isinstance(past, list) and past and all(isinstance(lag, list) for lag in past):
        return [_names({"past": lag}, "past") for lag in past]
    names = _names(content, "past")
    return [names] if names else []


def _names(content: dict[str, Any], key: str) -> list[str]:
    found = content.get(key, [])
    if not isinstance(found, list) or not all(
        isinstance(name, str) and name.isidentifier() for name in found
    ):
        raise FormatError(f"{key} must be a list of names made of letters, digits and _, got {quoted(found)}")
    return found


def _formula(name: str, given: Any, symbols: dict[str, Any]) -> Any:
    if isinstance(given, dict | list):
        raise FormatError(f"the formula of {name} is {quoted(given)}; it must be text")
    return formula(given if isinstance(given, str) else quoted(given), symbols)


def _number(value: Any) -> Any:
    import sympy

    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise FormatError(f"{quoted(value)} among the action_values is too large a number")
    if isinstance(value, bool) or not isinstance(value, int | float) or str(value) in _NO_NUMBERS:
        raise FormatError(f"{quoted(value)} among the action_values is no number")
    # as written: 0.1 is a tenth
    return sympy.Integer(value) if isinstance(value, int) else sympy.Rational(str(value))
