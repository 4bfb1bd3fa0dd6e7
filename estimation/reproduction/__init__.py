"""The published table, made again: the eight data sets, their budgets, and ours beside the published numbers."""

from estimation.reproduction.plan import DATA_SETS, reproduction_plan
from estimation.reproduction.published import published_scores
from estimation.reproduction.side_by_side import SideBySide, side_by_side

__all__ = ["DATA_SETS", "SideBySide", "published_scores", "reproduction_plan", "side_by_side"]
