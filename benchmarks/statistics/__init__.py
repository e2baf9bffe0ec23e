"""Numbers and cluster labels → intervals, paired tests and what a split can show. It knows no question and no rule.

The questions about one image (one patient) are not independent: SLAKE asks 11 per image. Everything here takes whole
clusters as what was sampled. What is claimed is measured by `python -m benchmarks.coverage`.

Shapes: N questions, C clusters (patients or images), R resamples.
"""

from benchmarks.statistics.clusters import RESAMPLES, draws
from benchmarks.statistics.intervals import (
    FEW,
    LEAST,
    LEVEL,
    METHOD,
    Difference,
    Proportion,
    paired_difference,
    proportion,
)
from benchmarks.statistics.paired import holm, mcnemar, sign_flip
from benchmarks.statistics.planning import (
    clustered_error,
    design_effect,
    detectable_difference,
    intracluster_correlation,
    planned_error,
)

__all__ = [
    "FEW",
    "LEAST",
    "LEVEL",
    "METHOD",
    "RESAMPLES",
    "Difference",
    "Proportion",
    "clustered_error",
    "design_effect",
    "detectable_difference",
    "draws",
    "holm",
    "intracluster_correlation",
    "mcnemar",
    "paired_difference",
    "planned_error",
    "proportion",
    "sign_flip",
]
