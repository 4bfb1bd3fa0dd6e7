"""JSON: the versioned format of this package, with the JSON Schema `identify/schemas/graph-1.schema.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, Reading, decode
from identify.graph import CausalGraph
from identify.names import quoted

__all__ = ["JSON", "graph_json"]

_FORMAT = "mechsparse-graph"
_VERSION = 1
_KEYS = ("format", "version", "latents", "actions", "edges", "Gz", "Ga", "metadata")


def _read(content: bytes) -> Reading:
    return Reading(_graph(content))


def _graph(content: bytes) -> CausalGraph:
    record = _parse(decode(content))
    if not isinstance(record, dict):
        raise FormatError(
            f"line 1: contains a {_kind(record)}; a graph is an object with 'format': '{_FORMAT}'"
        )
    _check_header(record)
    latents, actions = _names(record, "latents"), _names(record, "actions")
    if "edges" not in record:
        return _from_matrices(record, latents, actions)
    if "Gz" in record or "Ga" in record:
        raise FormatError("key 'edges': can't be combined with 'Gz' or 'Ga'; give either edges or matrices")
    if latents is None:
        raise FormatError("key 'latents': is missing; 'edges' requires the names of the latents")
    return CausalGraph.from_edges(_edges(record["edges"]), latents, actions or [])


def graph_json(graph: CausalGraph, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Return a graph in the JSON format of this package.

    Args:
        graph: The graph.
        metadata: Values that JSON can hold, written under ``"metadata"``, which readers ignore; none if empty.
    """
    lines = [
        f' "format": "{_FORMAT}"',
        f' "version": {_VERSION}',
        f' "latents": {_dump(graph.latents)}',
        f' "actions": {_dump(graph.actions)}',
    ]
    edges = ",\n".join(f"  {_dump(edge)}" for edge in graph.edges())
    lines.append(f' "edges": [\n{edges}\n ]' if edges else ' "edges": []')
    if metadata:
        lines.append(f' "metadata": {_dump(dict(metadata))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"line {error.lineno}, column {error.colno}: is not valid JSON: {error.msg}"
        ) from error
    except RecursionError as error:
        raise FormatError("line 1: is nested too deeply; a graph has lists of names and of pairs") from error
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"line 1: is not valid JSON: {error}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise FormatError(f"key {quoted(repeated)}: occurs twice; it must occur once")
    return result


def _no_constant(name: str) -> Any:
    raise FormatError(f"contains {name}; entries must be 0 or 1")


def _check_header(record: dict[str, Any]) -> None:
    if record.get("format") != _FORMAT:
        raise FormatError(f"key 'format': is {quoted(record.get('format'))}; it must be '{_FORMAT}'")
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FormatError(f"key 'version': is {quoted(version)}; it must be {_VERSION}")
    if version > _VERSION:
        raise FormatError(
            f"key 'version': is {quoted(version)}, newer than {_VERSION}; update mechsparse to read it"
        )
    for key in record:
        if key not in _KEYS:
            raise FormatError(
                f"key {quoted(key)}: is unknown; put your own keys under 'metadata', known are {', '.join(_KEYS)}"
            )
    if not isinstance(record.get("metadata", {}), dict):
        raise FormatError(f"key 'metadata': is a {_kind(record['metadata'])}; it must be an object")


def _names(record: dict[str, Any], key: str) -> list[str] | None:
    if key not in record:
        return None
    names = record[key]
    if not isinstance(names, list):
        raise FormatError(f"key '{key}': is a {_kind(names)}; it must be a list of names")
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise FormatError(f"{key}[{position}]: is {quoted(name)}; a name is a non-empty string")
    return names


def _edges(edges: Any) -> list[list[str]]:
    if not isinstance(edges, list):
        raise FormatError(f"key 'edges': is a {_kind(edges)}; it must be a list of pairs [parent, child]")
    for number, edge in enumerate(edges):
        if not isinstance(edge, list) or len(edge) != 2 or not all(isinstance(name, str) for name in edge):
            raise FormatError(
                f"edges[{number}]: is {quoted(edge)}; an edge is a pair of names [parent, child]"
            )
    return edges


def _from_matrices(
    record: dict[str, Any], latents: list[str] | None, actions: list[str] | None
) -> CausalGraph:
    for key in ("Gz", "Ga"):
        rows = record.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise FormatError(f"key '{key}': must be a list of rows of 0 and 1; rows are children")
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if value not in (0, 1) or isinstance(value, float):
                    raise FormatError(f"{key}[{i}][{j}]: is {quoted(value)}; entries must be 0 or 1")
    if not {"Gz", "Ga", "latents"} & set(record):
        raise FormatError("key 'latents': is missing; a graph has 'latents' and 'edges', or 'Gz' and 'Ga'")
    return CausalGraph(record.get("Gz"), record.get("Ga"), latents, actions)


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


JSON = Format("json", "JSON", (".json",), "JSON, documented and versioned", 1024 * MIB, _read, graph_json)
