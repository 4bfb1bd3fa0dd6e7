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
import prediction_tables
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


def _fill_published_page(page: str) -> str:
    return baseline_tables.fill_page(result_tables.fill_page(page, *result_tables.read_results()))


def _fill_sparsity_page(page: str) -> str:
    return own_run_tables.fill_sparsity_page(selection_tables.fill_page(page))


# what fills the tables of a page from stored results, and the files that they are from
_TABLES = {
    "published_table": (_fill_published_page, (*result_tables.FILES, baseline_tables.FILE)),
    "how_sparse": (_fill_sparsity_page, (selection_tables.RUNS_FILE, *own_run_tables.FILES)),
    "how_many_latents": (latent_count_tables.fill_page, (latent_count_tables.FILE,)),
    "screens": (screen_tables.fill_page, (screen_tables.FILE,)),
    "influence_test": (influence_test_tables.fill_page, influence_test_tables.FILES),
    "reading_a_run": (confidence_tables.fill_page, (confidence_tables.FILE,)),
    "kept_promises": (promise_tables.fill_page, (promise_tables.FILE,)),
    "predicting": (
        prediction_tables.fill_predicting_page,
        (prediction_tables.COMBINATIONS, prediction_tables.IMPUTATION),
    ),
    "counts": (prediction_tables.fill_counts_page, (prediction_tables.COUNTS, prediction_tables.LARGE)),
    "variance_and_shape": (distributional_tables.fill_page, (distributional_tables.FILE,)),
    "which_latents": (own_run_tables.fill_trust_page, (own_run_tables.TRUST,)),
}


def _fill_tables(app: Any, name: str, content: list[str]) -> None:
    """Fill the tables of a page from stored results."""
    if name in _TABLES:
        fill, files = _TABLES[name]
        content[0] = fill(content[0])
        for path in files:
            app.env.note_dependency(str(path))


def setup(app: Any) -> None:
    """Register the tables and the formulas; Sphinx calls this function."""
    app.connect("source-read", _fill_tables)
    app.add_node(nodes.math, override=True, html=_write_math("inline"))
    app.add_node(nodes.math_block, override=True, html=_write_math("block"))
