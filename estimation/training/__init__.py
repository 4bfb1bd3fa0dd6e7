"""`fit`: from a dataset and a configuration to a trained model."""

from estimation.history import History, Record
from estimation.trained import TrainedModel
from estimation.training.loop import fit

__all__ = ["History", "Record", "TrainedModel", "fit"]
