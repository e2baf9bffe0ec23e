"""Which crops made an answer.

Two ways of asking: attribution (gradients, the default) and occlusion (leaving crops out, causal). This module
knows their names only, so that whoever merely passes a choice on imports no torch.
"""

from __future__ import annotations

from typing import Literal

from medfly.types import InputError

Wanted = bool | Literal["causal"]
"""True: by gradients (medfly.evidence.attribution); "causal": by occlusion (medfly.evidence.occlusion); False: none."""


def checked(evidence: Wanted) -> Wanted:
    """The choice itself. Raises InputError for another."""
    if isinstance(evidence, bool) or evidence == "causal":
        return evidence
    raise InputError(f"evidence {evidence!r}: expected True (gradients), 'causal' (occlusion) or False: choose one")
