"""What training and comparing found, for people: tables on a terminal and self-contained HTML pages.

The same rows (``rows.py``) and sentences stand behind both.
"""

from __future__ import annotations

from estimation.report.html import comparison_page, evaluation_page, training_page, verification_page

__all__ = ["comparison_page", "evaluation_page", "training_page", "verification_page"]
