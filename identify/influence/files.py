"""`read_influence`: a report on sufficient influence from JSON, as ``mechsparse check --json`` writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, get_args

from identify.exceptions import FormatError
from identify.files import STANDARD, read_bytes
from identify.influence.past import NATURAL_PARAMETERS, PAST
from identify.influence.report import ALL_ACTIONS, FAMILIES, Influence, InfluenceReport, Influences, Status
from identify.json_files import parse_json
from identify.names import quoted

__all__ = ["read_influence"]

_MAX_BYTES = 1 << 28
_STATUSES: tuple[str, ...] = get_args(Status)
_NO_REASON = "the report gives no reason"


def read_influence(path: str | os.PathLike[str]) -> InfluenceReport:
    """Read a report on sufficient influence from JSON.

    Args:
        path: A file, or ``-`` for standard input. It holds `InfluenceReport.to_dict`, or all that
            ``mechsparse check --mechanisms FILE --json`` prints. Of each cause only its ``status`` is required, so that
            a report can be written by hand; the family is ``"nonparametric"`` unless the report names it. Unknown keys
            are ignored. The schema is ``identify/schemas/influence-1.schema.json``.

    Returns:
        The report. Certificates are kept as text (`Influence.certificate_text`) and are not recomputed.

    Raises:
        FileAccessError: If the file can't be read or is larger than 256 MiB.
        FormatError: If the content is not such a report; the text names the file and the key.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "report.json"
        ...     _ = path.write_text('{"actions": {"drug": {"status": "fails"}, "heat": {"status": "holds"}}}')
        ...     report = read_influence(path)
        >>> [name for name, influence in report.actions.items() if influence]
        ['heat']
    """
    name = "standard input" if os.fspath(path) == STANDARD else os.fspath(path)
    content = read_bytes(path, _MAX_BYTES)
    try:
        return _report(_find_report(parse_json(content)))
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error


def _find_report(value: Any) -> Mapping[str, Any]:
    """Return the part of the JSON that is the report."""
    if isinstance(value, dict):
        if "influence" in value:
            return _object(value["influence"], "influence")
        if isinstance(value.get("actions"), dict):
            return value
        if "complete" in value or "graphs" in value:
            raise FormatError(
                "is a verdict without a report on influence; write one with "
                "'mechsparse check --mechanisms FILE --json'"
            )
    raise FormatError(
        "is not a report on influence: it has neither the key 'influence' nor an object 'actions'; write one "
        "with 'mechsparse check --mechanisms FILE --json'"
    )


def _report(record: Mapping[str, Any]) -> InfluenceReport:
    family = record.get("family", "nonparametric")
    if family not in FAMILIES:
        raise FormatError(f"the family is {quoted(family)}; it is one of {', '.join(FAMILIES)}")
    actions = _object(record.get("actions", {}), "actions")
    report = InfluenceReport(
        family,
        Influences({name: _influence(entry, name, f"actions.{name}") for name, entry in actions.items()}),
        _optional(record, "past", PAST),
        _optional(record, "sufficient_variability", NATURAL_PARAMETERS),
        _optional(record, "joint", ALL_ACTIONS),
    )
    if record.get("holds", bool(report)) is not bool(report):
        raise FormatError(
            f"'holds' is {str(record['holds']).lower()}, which contradicts the statuses of the causes"
        )
    return report


def _optional(record: Mapping[str, Any], key: str, cause: str) -> Influence | None:
    entry = record.get(key)
    return None if entry is None else _influence(entry, cause, key)


def _influence(value: Any, cause: str, key: str) -> Influence:
    entry = _object(value, key)
    status = entry.get("status")
    if status not in _STATUSES:
        given = "missing" if status is None else quoted(status)
        raise FormatError(f"the status of '{key}' is {given}; it is one of {', '.join(_STATUSES)}")
    if entry.get("cause", cause) != cause:
        raise FormatError(f"the cause of '{key}' is {quoted(entry['cause'])}; it must be {quoted(cause)}")
    reason, certificate = entry.get("reason", _NO_REASON), entry.get("certificate")
    if not isinstance(reason, str):
        raise FormatError(f"the reason of '{key}' is {quoted(reason)}; it must be text")
    if not isinstance(certificate, str | None):
        raise FormatError(f"the certificate of '{key}' is {quoted(certificate)}; it must be text or null")
    repairs = entry.get("repairs", [])
    if not isinstance(repairs, list) or not all(isinstance(repair, str) for repair in repairs):
        raise FormatError(f"the repairs of '{key}' must be a list of texts")
    return Influence(cause, status, None, reason, tuple(repairs), certificate)


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"'{key}' is {quoted(value)}; it must be an object")
    return value
