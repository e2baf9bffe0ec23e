"""Token F1 and BLEU-1 over all questions, open and closed alike, as Med-PaLM M reports them.

Source: Tu et al., "Towards Generalist Biomedical AI", arXiv:2307.14334, the tables on VQA-RAD, Slake-VQA and Path-VQA.
The paper names both measures and releases no code. How a text becomes words is therefore our reading, not the
paper's: SQuAD's normalisation (Rajpurkar et al. 2016, evaluate-v1.1.py, `normalize_answer`), which is what "token F1"
mostly means. Figures differ by points with it; never call ours the paper's protocol without saying so.

The paper's SLAKE is English and Chinese together; these words are split at white space and cannot read Chinese.
"""

from __future__ import annotations

import re
import string

from benchmarks.protocols.overlap import bleu1, f1, precision_recall
from benchmarks.protocols.rule import Item, Judged, Rule

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """Lower case, punctuation removed (not blanked: "x-ray" is "xray"), then articles; split at white space."""
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_NO_PUNCTUATION)).split()


def _token_f1(item: Item) -> Judged:
    return Judged(f1(*precision_recall(words(item.prediction), words(item.answer))))


def _bleu1(item: Item) -> Judged:
    return Judged(bleu1(words(item.prediction), words(item.answer)))


_SOURCE = "Tu et al., arXiv:2307.14334, which names the measure only; words as in SQuAD's evaluate-v1.1.py"

TOKEN_F1 = Rule(
    "med_palm_m_token_f1", "Med-PaLM M token F1", _SOURCE, _token_f1, {"overall": "token F1"}, parts_words=True
)
BLEU_1 = Rule("med_palm_m_bleu1", "Med-PaLM M BLEU-1", _SOURCE, _bleu1, {"overall": "BLEU-1"}, parts_words=True)
