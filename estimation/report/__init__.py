"""Reports of training, evaluation and comparison: tables on a terminal, and self-contained HTML pages.

================  ==========================================================================
module            contents
================  ==========================================================================
``rows``          facts and tables as text, shared by terminal and page; records for JSON
``sentences``     explanatory sentences, shared by terminal and page
``terminal``      a trained model, an evaluation, a comparison or a verification, on a terminal
``diagnostics``   margin, warnings and least certain edges of a run, as facts, rows and a record for JSON
``predictions``   predictions and their coverage, on a terminal
``sweep``         the results of a sweep, on a terminal
``reproduction``  our scores and the published ones, on a terminal
``figures``       the figures of a page, as SVG
``section``       `Section`: a part of a page
``confidence``    the confidence in edges and latents, as sections
``html``          the pages
``latex``         tables in LaTeX
================  ==========================================================================
"""

from __future__ import annotations

from estimation.report.html import (
    comparison_page,
    evaluation_page,
    influence_page,
    training_page,
    verification_page,
)

__all__ = ["comparison_page", "evaluation_page", "influence_page", "training_page", "verification_page"]
