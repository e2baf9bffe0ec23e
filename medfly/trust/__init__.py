"""Whether to rely on an answer: a calibration beside the model says how often answers like it were right.

    curve        confidence → the share that was right there
    options      the answers that a closed question leaves open
    outside      is this question, or this picture, unlike all that was seen there?
    calibrated   calibration.json, and an answer's Trust by it
    asking       what the model gives for it: the options' probabilities, the picture's features

Fitting is not done here but in benchmarks/, on answers whose truth is known. A Trust is about the model's answers where
the calibration was made: never a probability of disease, and no promise for other scanners and other patients.
"""

from __future__ import annotations

from medfly.trust.asking import judge, measured, strangeness
from medfly.trust.calibrated import Calibration, CalibrationWarning, Fitted, beside
from medfly.trust.outside import features

__all__ = ["Calibration", "CalibrationWarning", "Fitted", "beside", "features", "judge", "measured", "strangeness"]
