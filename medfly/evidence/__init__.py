"""Which crops made an answer.

Two ways of asking: attribution (gradients, the default) and occlusion (leaving crops out, causal, by the shortcut or
crop by crop). This module knows their names only, so that whoever merely passes a choice on imports no torch.
"""

from __future__ import annotations

from typing import Literal

from medfly.types import InputError

Wanted = bool | Literal["causal", "causal_all"]
"""True: by gradients (medfly.evidence.attribution); "causal": by occlusion (medfly.evidence.occlusion), hierarchical;
"causal_all": every crop left out on its own; False: none."""


def checked(evidence: Wanted) -> Wanted:
    """The choice itself. Raises InputError for another."""
    if isinstance(evidence, bool) or evidence in ("causal", "causal_all"):
        return evidence
    raise InputError(
        f"evidence {evidence!r}: expected True (gradients), 'causal' or 'causal_all' (occlusion), or False: choose one"
    )
