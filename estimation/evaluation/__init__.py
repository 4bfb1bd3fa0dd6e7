"""Evaluation of trained models: comparison with the theory, and with the ground truth where it is known.

================  ==============================================================================
module            contents
================  ==============================================================================
``comparison``    `compare`: the learned entanglement compared with the predicted one
``scores``        `evaluate`: all scores of one model
``verification``  ``verify``: several runs compared with the prediction of the best run
================  ==============================================================================
"""

from estimation.evaluation.scores import Evaluation, Scores, evaluate

__all__ = ["Evaluation", "Scores", "evaluate"]
