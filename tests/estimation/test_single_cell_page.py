"""The page on single-cell data: its snippets print what it says."""

from __future__ import annotations

import pytest

from tests.test_documents import ROOT, blocks, printed_by

pytest.importorskip("anndata")


def test_snippets_print_what_the_page_says() -> None:
    path = ROOT / "docs" / "single_cell.md"
    namespace: dict[str, object] = {}
    code, outputs = blocks(path, "python"), blocks(path, "text")
    for snippet, output in zip(code, outputs, strict=True):
        assert printed_by(snippet, path, namespace) == output
