"""One module per scoring rule. A rule judges one prediction against one gold answer and knows nothing else.

`RULES` holds all of them in the order in which tables show them. Each module names its source and what it does not
know; which of them can read Chinese stands there, too. A new rule is one module and one line here.
"""

from __future__ import annotations

from benchmarks.protocols import biomedgpt, exact, llava_med, lmms_eval, med_palm_m, medevalkit, multimedeval, robust
from benchmarks.protocols.rule import Rule

RULES: tuple[Rule, ...] = (
    exact.STRICT,
    exact.NORMALISED,
    robust.MEDFLY,
    llava_med.RUN_EVAL,
    llava_med.RUN_EVAL_BATCH,
    llava_med.F1,
    llava_med.EXACT,
    medevalkit.AS_RELEASED,
    medevalkit.F1_AS_RELEASED,
    medevalkit.CORRECTED,
    lmms_eval.EXACT,
    multimedeval.ACCURACY,
    multimedeval.RECALL,
    multimedeval.F1,
    multimedeval.BLEU_1,
    med_palm_m.TOKEN_F1,
    med_palm_m.BLEU_1,
    biomedgpt.EXACT,
)
