"""Sphinx configuration of the documentation."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).parent))
import baseline_tables
import confidence_tables
import distributional_tables
import influence_test_tables
import latent_count_tables
import own_run_tables
import promise_tables
import result_tables
import screen_tables
import selection_tables

project = "mechsparse"
author = "The mechsparse developers"
copyright = "2026, the mechsparse developers"
release = version = installed_version("mechsparse")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py", "gallery/*.py", "gallery/*.ipynb"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
default_role = "any"

html_theme = "furo"
html_title = "mechsparse"
html_static_path: list[str] = []

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
autosummary_generate = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style")]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 10,
    # building all examples takes many minutes
    "plot_gallery": os.environ.get("MECHSPARSE_GALLERY", "1") != "0",
    "capture_repr": (),
    "image_scrapers": ("matplotlib",),
}


def _write_math(display: str) -> Any:
    """Return a visitor that writes formulas as MathML, which browsers render without network access."""

    def visit(translator: Any, node: Any) -> None:
        translator.body.append(convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit, None


def _fill_tables(app: Any, name: str, content: list[str]) -> None:
    """Fill the tables of a page from stored results."""
    if name == "published_table":
        page = result_tables.fill_page(content[0], *result_tables.read_results())
        content[0] = baseline_tables.fill_page(page)
        for path in (*result_tables.FILES, baseline_tables.FILE):
            app.env.note_dependency(str(path))
    if name == "how_sparse":
        content[0] = own_run_tables.fill_sparsity_page(selection_tables.fill_page(content[0]))
        for path in (selection_tables.RUNS_FILE, *own_run_tables.FILES):
            app.env.note_dependency(str(path))
    if name == "how_many_latents":
        content[0] = latent_count_tables.fill_page(content[0])
        app.env.note_dependency(str(latent_count_tables.FILE))
    if name == "screens":
        content[0] = screen_tables.fill_page(content[0])
        app.env.note_dependency(str(screen_tables.FILE))
    if name == "influence_test":
        content[0] = influence_test_tables.fill_page(content[0])
        for path in influence_test_tables.FILES:
            app.env.note_dependency(str(path))
    if name == "reading_a_run":
        content[0] = confidence_tables.fill_page(content[0])
        app.env.note_dependency(str(confidence_tables.FILE))
    if name == "kept_promises":
        content[0] = promise_tables.fill_page(content[0])
        app.env.note_dependency(str(promise_tables.FILE))
    if name == "variance_and_shape":
        content[0] = distributional_tables.fill_page(content[0])
        app.env.note_dependency(str(distributional_tables.FILE))
    if name == "which_latents":
        content[0] = own_run_tables.fill_trust_page(content[0])
        app.env.note_dependency(str(own_run_tables.TRUST))


def setup(app: Any) -> None:
    """Register the tables and the formulas; Sphinx calls this function."""
    app.connect("source-read", _fill_tables)
    app.add_node(nodes.math, override=True, html=_write_math("inline"))
    app.add_node(nodes.math_block, override=True, html=_write_math("block"))
