"""Reports of training, evaluation and comparison: tables on a terminal, and self-contained HTML pages.

===================  ==========================================================================
module               contents
===================  ==========================================================================
``rows``             facts and tables as text, shared by terminal and page; records for JSON
``sentences``        explanatory sentences, shared by terminal and page
``terminal``         a trained model, an evaluation, a comparison or a verification, on a terminal
``diagnostics``      margin, warnings and least certain edges of a run, as facts, rows and a record for JSON
``predictions``      predictions and their coverage, on a terminal
``sweep``            the results of a sweep, on a terminal
``reproduction``     our scores and the published ones, on a terminal
``section``          `Section`: a part of a page, with its figures and tables
``figures``          the figures of a page by matplotlib, as SVG
``drawing``          small SVG drawings in the colours of the page
``programme``        the learned programmes: causes, latents and their top columns, as a drawing
``latent_panels``    the latents under each condition, as drawings and a table
``combinations``     predictions for combinations of actions, as a section
``confidence``       the confidence in edges and latents, as sections
``model_sections``   sections about a trained model that several pages share
``page``             sections as an HTML page
``html``             the pages of training, evaluation, comparison, verification and influence
``results``          the results page: what was learned and what it predicts
``latex``            tables in LaTeX
===================  ==========================================================================
"""

from __future__ import annotations

from estimation.report.html import (
    comparison_page,
    evaluation_page,
    influence_page,
    training_page,
    verification_page,
)
from estimation.report.results import results_page

__all__ = [
    "comparison_page",
    "evaluation_page",
    "influence_page",
    "results_page",
    "training_page",
    "verification_page",
]
