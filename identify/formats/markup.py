"""GraphML and GML, read and written by networkx."""

from __future__ import annotations

import io

from identify.exceptions import FormatError
from identify.formats.base import MIB, Format, decode, parsed
from identify.graph import CausalGraph

__all__ = ["GML", "GRAPHML"]


# GraphML --------------------------------------------------------------------------------------------


def _read_graphml(content: bytes) -> CausalGraph:
    import networkx as nx

    decode(content)
    _refuse_declarations(content)
    return CausalGraph.from_networkx(parsed("GraphML", lambda: nx.read_graphml(io.BytesIO(content))))


def _refuse_declarations(content: bytes) -> None:
    """A document type may define entities that expand without end or read other files; no graph needs one."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise FormatError("declares a document type or entities; remove the <!DOCTYPE ...> part") from error
    except Exception as error:
        line = getattr(error, "position", (1,))[0]
        raise FormatError(f"line {line}: is no XML: {error}") from error


def _write_graphml(graph: CausalGraph) -> bytes:
    from networkx.readwrite.graphml import write_graphml_xml

    out = io.BytesIO()
    write_graphml_xml(graph.to_networkx(), out, prettyprint=True)
    return out.getvalue()


# GML ------------------------------------------------------------------------------------------------


def _read_gml(content: bytes) -> CausalGraph:
    import networkx as nx

    # GML is ASCII; networkx reads other letters as character references
    text = decode(content).encode("ascii", "xmlcharrefreplace").decode("ascii")
    return CausalGraph.from_networkx(parsed("GML", lambda: nx.parse_gml(text)))


def _write_gml(graph: CausalGraph) -> bytes:
    import networkx as nx

    lines = nx.generate_gml(graph.to_networkx())
    return ("\n".join(lines) + "\n").encode("ascii")


GRAPHML = Format("graphml", (".graphml",), "GraphML (XML)", 64 * MIB, _read_graphml, _write_graphml)
GML = Format("gml", (".gml",), "GML", 64 * MIB, _read_gml, _write_gml)
