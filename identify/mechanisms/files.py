"""Read mechanisms from a file: TOML with formulas, or a Python file that creates them.

::

    latents = ["z0", "z1"]
    actions = ["dose"]
    past = ["p0", "p1"]                     # or [["p0", "p1"], ["q0", "q1"]] for two lags

    [log_densities]
    z0 = "gaussian(z0, p0 + sin(dose))"
    z1 = "gaussian(z1, p1 * dose, 0.01)"

    [action_values]                         # for actions with finitely many values
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
from identify.mechanisms.formulas import normalise_name, parse_formula
from identify.mechanisms.model import Mechanisms
from identify.names import quoted
from identify.proof.deadline import TimeLimitError, check_seconds, run_within
from identify.proof.vanishing import DEFAULT_SECONDS

__all__ = ["read_mechanisms"]

_DEFAULT_SECONDS = 30.0
_MAX_BYTES = 10_000_000
_MAX_BITS = 15_000
_NONFINITE = ("inf", "-inf", "nan")
_KEYS = ("latents", "actions", "past", "log_densities", "action_values")
_VARIABLE = "mechanisms"


def read_mechanisms(path: str | os.PathLike[str], seconds: float = _DEFAULT_SECONDS) -> Mechanisms:
    """Read mechanisms from a file.

    Args:
        path: A ``.toml`` file in the format shown in the docstring of this module, from which nothing is executed; or
            a ``.py`` file that sets the variable ``mechanisms``. A Python file is executed: use only one that you
            trust.
        seconds: Time limit for reading the formulas of a TOML file, which sympy simplifies at once.

    Raises:
        FileAccessError: If the file can't be read.
        FormatError: If the file has another suffix, is not valid TOML, lacks a key or has an unknown one, has a formula
            that can't be parsed, or is a Python file that fails or does not set ``mechanisms``.
        MechanismError: If the densities don't form a model; see `Mechanisms`.
        RequestError: If a density is impossible, for instance one with a negative variance.
        UndecidedError: If reading the formulas exceeds the time limit.
    """
    file = Path(path)
    if file.suffix == ".toml":
        return _from_toml(file, check_seconds(seconds))
    if file.suffix == ".py":
        return _from_python(file)
    raise FormatError(
        f"{file}: mechanisms are read from .toml or .py files, not from {file.suffix or 'no suffix'}"
    )


def _from_python(file: Path) -> Mechanisms:
    # gives a clear error for a missing file
    read_bytes(file, _MAX_BYTES)
    try:
        mechanisms = runpy.run_path(str(file)).get(_VARIABLE)
    except IdentifyError:
        raise
    except (Exception, SystemExit) as error:  # the file may raise anything
        raise FormatError(f"{file}: running it failed ({type(error).__name__}: {error})") from error
    if not isinstance(mechanisms, Mechanisms):
        raise FormatError(f"{file}: does not set the variable '{_VARIABLE}' to Mechanisms")
    return mechanisms


def _from_toml(file: Path, seconds: float) -> Mechanisms:
    # editors on Windows begin a file with a byte order mark
    text = read_bytes(file, _MAX_BYTES).removeprefix(codecs.BOM_UTF8)
    try:
        return run_within(seconds, lambda: _build(_parse(text), seconds))
    except (FormatError, RequestError) as error:
        raise type(error)(f"{file}: {error}") from error
    except TimeLimitError as error:
        raise UndecidedError(
            f"{file}: reading its formulas took longer than {seconds:.3g} s; allow more time, or write simpler formulas"
        ) from error


def _parse(text: bytes) -> dict[str, Any]:
    try:
        content = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"is not valid TOML ({error})") from error
    except RecursionError as error:
        raise FormatError("is nested too deeply") from error
    except ValueError as error:
        # Python does not parse integers of more than some thousand digits
        raise FormatError("contains a number of thousands of digits") from error
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise FormatError(f"has the unknown key {quoted(unknown[0])}; the keys are {', '.join(_KEYS)}")
    return content


def _build(content: dict[str, Any], seconds: float) -> Mechanisms:
    import sympy

    latents, actions = _names(content, "latents"), _names(content, "actions")
    lags = _lags(content)
    names = [*latents, *actions, *(name for lag in lags for name in lag)]
    by_normal_name: dict[str, str] = {}
    for name in names:
        other = by_normal_name.setdefault(normalise_name(name), name)
        if other != name:
            raise FormatError(
                f"the names {quoted(other)} and {quoted(name)} are the same in a formula; rename one"
            )
    symbols = {name: sympy.Symbol(name, real=True) for name in names}
    formulas = content.get("log_densities", {})
    if not isinstance(formulas, dict) or set(formulas) != set(latents):
        raise FormatError("log_densities must contain one formula for each latent, by its name")
    action_values = content.get("action_values", {})
    if not isinstance(action_values, dict) or not all(
        isinstance(values, list) for values in action_values.values()
    ):
        raise FormatError("action_values must contain lists of numbers, by the names of actions")
    unknown = sorted(set(action_values) - set(actions))
    if unknown:
        raise FormatError(f"action_values names {quoted(unknown[0])}, which is not an action")
    return Mechanisms(
        [symbols[name] for name in latents],
        [_formula(name, formulas[name], symbols) for name in latents],
        [symbols[name] for name in actions],
        [[symbols[name] for name in lag] for lag in lags],
        {symbols[name]: [_number(value) for value in values] for name, values in action_values.items()},
        min(seconds, DEFAULT_SECONDS),
    )


def _lags(content: dict[str, Any]) -> list[list[str]]:
    past = content.get("past", [])
    if isinstance(past, list) and past and all(isinstance(lag, list) for lag in past):
        return [_names({"past": lag}, "past") for lag in past]
    names = _names(content, "past")
    return [names] if names else []


def _names(content: dict[str, Any], key: str) -> list[str]:
    names = content.get(key, [])
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.isidentifier() for name in names
    ):
        raise FormatError(f"{key} must be a list of names made of letters, digits and _, got {quoted(names)}")
    return names


def _formula(name: str, value: Any, symbols: dict[str, Any]) -> Any:
    if isinstance(value, dict | list):
        raise FormatError(f"the formula of {name} is {quoted(value)}; it must be text")
    return parse_formula(value if isinstance(value, str) else quoted(value), symbols)


def _number(value: Any) -> Any:
    import sympy

    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise FormatError(f"{quoted(value)} among the action_values is too large")
    if isinstance(value, bool) or not isinstance(value, int | float) or str(value) in _NONFINITE:
        raise FormatError(f"{quoted(value)} among the action_values is not a finite number")
    # decimals are exact: 0.1 is one tenth
    return sympy.Integer(value) if isinstance(value, int) else sympy.Rational(str(value))
