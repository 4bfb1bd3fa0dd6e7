"""A parser of the pages and notebook outputs of this package, and the rules that all of them follow."""

from __future__ import annotations

import re
from html.parser import HTMLParser

__all__ = ["ParsedPage", "checked"]

_VOID = ("meta", "br", "link", "img", "hr", "input")
# attributes that name ids of the page
_REFERENCES = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "headers")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


class ParsedPage(HTMLParser):
    """Text, ids, references, headings and tables of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[int] = []
        self.tables: list[dict[str, int]] = []
        self.unlabelled: list[str] = []
        self.scopes: list[str | None] = []
        self.source = source
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        self._note(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._note(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def _note(self, tag: str, attributes: dict[str, str | None]) -> None:
        if attributes.get("id"):
            self.ids.append(attributes["id"] or "")
        for name in _REFERENCES:
            self.references += (attributes.get(name) or "").split()
        for name in ("href", "xlink:href", "src", "data"):
            link = attributes.get(name) or ""
            if link.startswith("#"):
                self.references.append(link[1:])
            elif link:
                self.loaded.append(link)
        self.references += re.findall(r"url\(#([^)]+)\)", " ".join(filter(None, attributes.values())))
        if tag in _HEADINGS:
            self.headings.append(_HEADINGS[tag])
        if tag == "table":
            self.tables.append({"caption": 0, "th": 0})
        if tag in ("caption", "th"):
            self.tables[-1][tag] += 1
        if tag == "th":
            self.scopes.append(attributes.get("scope"))
        named = any(attributes.get(name) for name in ("aria-label", "aria-labelledby"))
        if attributes.get("role") in ("region", "img") and not named:
            self.unlabelled.append(tag)
        if tag == "nav" and not named:
            self.unlabelled.append(tag)


def checked(source: str, whole: bool = True) -> ParsedPage:
    """Parse a page, and assert the rules of accessibility and of files without external resources.

    Args:
        source: The page.
        whole: Whether it is a whole page, rather than the output of a notebook cell.
    """
    page = ParsedPage(source)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)), "an id repeats"
    assert set(page.references) <= set(page.ids), set(page.references) - set(page.ids)
    assert all(link.startswith("data:image/png;base64,") for link in page.loaded), page.loaded
    assert not {"link", "iframe", "img", "object", "embed"} & set(page.tags)
    assert "@import" not in source
    assert not re.search(r"url\(\s*['\"]?(?!#)", source)
    assert page.unlabelled == []
    assert all(table["caption"] == 1 and table["th"] > 0 for table in page.tables)
    assert set(page.scopes) <= {"row", "col"}
    if whole:
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        assert all(
            after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
        )
        assert page.tags.count("main") == 1
        assert {"header", "footer", "title"} <= set(page.tags)
    else:
        assert page.ids == []
        assert not {"script", "style", "html", "body"} & set(page.tags)
        assert "background: #" not in source
    return page
