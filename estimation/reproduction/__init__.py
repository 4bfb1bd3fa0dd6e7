"""Reproduction of the published table: eight data sets, the published budgets, and our scores next to theirs.

================  =========================================================
module            contents
================  =========================================================
``plan``          `reproduction_plan`: the runs of the table
``published``     `published_scores`: the published numbers
``side_by_side``  `side_by_side`: our mean scores and the published ones
================  =========================================================
"""

from estimation.reproduction.plan import DATA_SETS, reproduction_plan
from estimation.reproduction.published import published_scores
from estimation.reproduction.side_by_side import SideBySide, side_by_side

__all__ = ["DATA_SETS", "SideBySide", "published_scores", "reproduction_plan", "side_by_side"]
