"""Evaluation of trained models: comparison with the theory, and with the ground truth where it is known.

================  ==============================================================================
module            contents
================  ==============================================================================
``comparison``    `compare`: the learned entanglement compared with the predicted one
``scores``        `evaluate`: all scores of one model
``certified``     `certify`: the learned entanglement against what is proved to be guaranteed
``confidence``    confidence in latents and edges from several runs
``verification``  ``verify``: several runs compared with the prediction of the best run
================  ==============================================================================
"""

from estimation.evaluation.certified import CertifiedEntanglement, certify
from estimation.evaluation.scores import Evaluation, Scores, evaluate

__all__ = ["CertifiedEntanglement", "Evaluation", "Scores", "certify", "evaluate"]
