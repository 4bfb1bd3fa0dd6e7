"""Reports of verdicts and designs: terminal text, markdown, LaTeX and a self-contained HTML page.

`Verdict.to_dict` gives the JSON. All reports share one set of sentences (``sentences``) and one set of rows (``rows``).

===============  ==================================
module           contents
===============  ==================================
``sentences``    sentences about a verdict
``rows``         table rows of a verdict
``line``         one line of text for rich
``terminal``     a verdict on a terminal
``markdown``     a verdict in markdown
``latex``        a verdict in LaTeX
``latex_table``  rows of text as a LaTeX table
``html``         a verdict as an HTML page
``design``       a design on a terminal
===============  ==================================
"""

from __future__ import annotations

from identify.report.html import to_html
from identify.report.latex import to_latex
from identify.report.markdown import to_markdown

__all__ = ["to_html", "to_latex", "to_markdown"]
