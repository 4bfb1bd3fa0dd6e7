"""What a trained model has learned, held against the theory and against the truth where that is known.

================  ==============================================================================
module            what it holds
================  ==============================================================================
``comparison``    `compare`: the predicted entanglement beside the learned one
``scores``        `evaluate`: all scores of one model
``verification``  `verify`: several runs against the prediction of the best one
================  ==============================================================================
"""

from estimation.evaluation.scores import Evaluation, Scores, evaluate

__all__ = ["Evaluation", "Scores", "evaluate"]
