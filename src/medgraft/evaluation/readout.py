"""How a run's logits are read: temperature and thresholds, all fitted on validation and only applied to test."""

from dataclasses import dataclass

import numpy as np

from medgraft.evaluation.arrays import Floats, Ints
from medgraft.evaluation.calibration import fit_temperature, softmax
from medgraft.evaluation.operating import decide, threshold_at_specificity, youden_threshold


@dataclass(frozen=True)
class Readout:
    """Temperature; the threshold of each class at the target specificity [C]; the decision threshold.

    `decision` is the binary threshold on the positive class that maximises Youden's J on validation; None for
    several classes, where the most probable one is decided for.
    """

    temperature: float
    thresholds: Floats
    decision: float | None

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities float64 [n, C]."""
        return softmax(logits, self.temperature)

    def decisions(self, p: Floats) -> Ints:
        """Decided class int64 [n]."""
        return decide(p, self.decision)


def fit_readout(logits: Floats, labels: Ints, binary: bool, specificity: float) -> Readout:
    """Fit on validation logits [n, C] and labels [n]."""
    temperature = fit_temperature(logits, labels)
    p = softmax(logits, temperature)
    outcomes = [(labels == c).astype(np.int64) for c in range(p.shape[1])]
    thresholds = [threshold_at_specificity(outcome, p[:, c], specificity) for c, outcome in enumerate(outcomes)]
    decision = youden_threshold(outcomes[1], p[:, 1]) if binary else None
    return Readout(temperature, np.array(thresholds), decision)
