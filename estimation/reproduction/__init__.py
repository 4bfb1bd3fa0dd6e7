"""The published table, made again: the eight data sets, their budgets, and ours beside the published numbers."""

from estimation.reproduction.beside import SideBySide, side_by_side
from estimation.reproduction.plan import DATA_SETS, reproduction_plan
from estimation.reproduction.published import published_scores

__all__ = ["DATA_SETS", "SideBySide", "published_scores", "reproduction_plan", "side_by_side"]
