"""The verdict for people and for programs: terminal text, markdown, LaTeX and a self-contained HTML page.

`Verdict.to_dict` is the JSON; everything here says the same in other forms, from one set of sentences
(``words.py``) and one set of rows (``rows.py``).
"""

from __future__ import annotations

from identify.report.html import to_html
from identify.report.latex import to_latex
from identify.report.markdown import to_markdown

__all__ = ["to_html", "to_latex", "to_markdown"]
