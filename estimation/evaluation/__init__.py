"""Evaluation of trained models: against the theory, and against the ground truth where it is known.

================  ==============================================================================
module            contents
================  ==============================================================================
``comparison``    `compare`: the learned entanglement against the predicted one
``scores``        `evaluate`: all scores of one model
``verification``  ``verify``: several runs against the prediction of the best run
================  ==============================================================================
"""

from estimation.evaluation.scores import Evaluation, Scores, evaluate

__all__ = ["Evaluation", "Scores", "evaluate"]
