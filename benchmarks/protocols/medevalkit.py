"""MedEvalKit's rules without its language-model judge, as released and corrected.

Source: alibaba-damo-academy/MedEvalKit at commit 9b12e3b: utils/utils.py (`judge_judgement`, `judge_close_end_vqa`,
`judge_open_end_vqa`, `parse_response`) and the `cal_metrics` of utils/SLAKE, VQA_RAD and PATH_VQA; what is taken out of
\\boxed{…} follows mathruler 0.1.0. Which questions are closed: on SLAKE those tagged CLOSED; elsewhere those whose gold
answer is yes or no, whatever their tag. What is kept as released:

- "yes" and "no" are looked for in the letters, and "abnormal" contains "no"; SLAKE's answers are "Yes" and "No" with
  capitals, which the released code does not take for yes and no, so that they have to match exactly;
- an answer that starts after "answer is" keeps its blank and its full stop, and so is no exact match.

Three slips were found there (issue 30 among others), and this is where they are here. The F1 that it prints is in
truth the recall (F1, precision and recall are handed over in the wrong order): F1_AS_RELEASED has it so, CORRECTED has
the F1. On an empty answer to an open question the script ends with an error: all rules score it 0 and say so. Closed
answers are counted twice where the judge is used; no rule here uses it, so the accuracies need no correction.

White space parts the words of BLEU, ROUGE and F1: Chinese cannot be read by them. The exact matches can.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

from benchmarks.protocols.overlap import f1, precision_recall
from benchmarks.protocols.rouge import rouge
from benchmarks.protocols.rule import Group, Item, Judged, Rule

EMPTY = "no answer was given; the released script ends with an error there; scored 0"
_MARKERS = ("**answer**:", "**answer**", "*answer*:", "**answer:**", "answer is", "answer:", "答案:", "final answer")


def judgement(prediction: str, answer: str) -> bool:
    """`judge_judgement`, for gold answers of yes and no: exactly one of the two occurs, and it is the gold one."""
    said = _flat(prediction)
    return ("yes" in said) != ("no" in said) and answer.lower() in said


def closed_exact(prediction: str, answer: str) -> bool:
    """`judge_close_end_vqa`, for other closed questions: equal but for case, line ends and full stops."""
    return _flat(prediction) == answer.lower()


def open_scores(prediction: str, answer: str) -> dict[str, float] | None:
    """`judge_open_end_vqa`: em, bleu1 … bleu4, rouge1, rouge2, rougel, precision, recall, f1, each 0 … 1.

    The last three under the names they were released with: precision is the F1, recall the precision, f1 the recall.
    BLEU is nltk's without smoothing: where no run of n words matches, it is not 0 but tiny. None where the released
    script ends with an error.
    """
    said, gold = _parse(prediction), answer.lower()
    if _is_empty(said) or _is_empty(gold):
        return None
    precision, recall = _overlap(said, gold)
    bleu = {f"bleu{n}": _bleu(said, gold, n) for n in (1, 2, 3, 4)}
    rouges = dict(zip(("rouge1", "rouge2", "rougel"), rouge(said, gold), strict=True))
    rotated = {"precision": f1(precision, recall), "recall": precision, "f1": recall}
    return {"em": float(said == gold), **bleu, **rouges, **rotated}


def _bleu(said: str, gold: str, n: int) -> float:
    from nltk.translate.bleu_score import sentence_bleu

    predicted, reference = (text.replace(".", " .").split(" ") for text in (said, gold))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about n-grams without a match: most short answers
        return float(sentence_bleu([reference], predicted, weights=[1 / n] * n))  # pyright: ignore


def _overlap(said: str, gold: str) -> tuple[float, float]:
    return precision_recall(set(said.split()), set(gold.split()))


def _is_empty(text: str) -> bool:
    """Where the released code fails: ROUGE on nothing but full stops, F1 on nothing but blanks."""
    return not text.replace(".", "") or not text.split()


def _flat(prediction: str) -> str:
    return _parse(prediction).replace("\n", "").replace(".", "")


def _parse(response: str) -> str:
    """`parse_response`: lower case, then what stands in a box or a tag, then what follows the last marker."""
    response = response.lower()
    if "boxed" in response:
        boxed = _boxed(response)
        response = "None" if boxed is None else boxed  # sic: with a capital
    elif "<answer>" in response:
        response = _tagged(response)
    for marker in _MARKERS:
        response = response.split(marker)[-1]
    return response


def _boxed(text: str) -> str | None:
    r"""What the last \boxed{…} holds, trimmed; None where there is none or its bracket stays open."""
    start = text.rfind("\\boxed{")
    depth = 0
    for end in range(start, len(text)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if text[end] == "}" and depth == 0:
            return text[start + len("\\boxed{") : end].strip()
    return None


def _tagged(text: str) -> str:
    return " ".join(re.findall("<answer>(.*?)</answer>", text, re.DOTALL)).strip() or text


def _group(item: Item) -> Group:
    if item.task.startswith("slake"):
        return "open" if item.answer_type == "OPEN" else "closed"
    return "closed" if item.answer.lower().strip() in ("yes", "no") else "open"


def _texts(item: Item) -> tuple[str, str]:
    """What `cal_metrics` hands to the judging functions: prediction and gold answer. SLAKE's are not trimmed."""
    said = _boxed(item.prediction)
    if said is None or said == "None":
        said = _tagged(item.prediction) if "<answer>" in item.prediction else item.prediction
    if item.task.startswith("slake"):
        return said, item.answer
    return said.lower().strip(), item.answer.lower().strip()


def _exact(item: Item) -> Judged:
    if _group(item) == "open":
        return _open(item, lambda said, gold: float(said == gold))
    said, gold = _texts(item)
    if gold in ("yes", "no"):
        flat = _flat(said)
        return Judged(float(judgement(said, gold)), unparsed=("yes" in flat) == ("no" in flat))
    return Judged(float(closed_exact(said, gold)))


def _open(item: Item, measure: Callable[[str, str], float]) -> Judged:
    """The measure of what was said and the gold answer, both as `judge_open_end_vqa` has them."""
    said, gold = _texts(item)
    said, gold = _parse(said), gold.lower()
    return Judged(0.0, unparsed=True, note=EMPTY) if _is_empty(said) else Judged(measure(said, gold))


def _f1_as_released(item: Item) -> Judged:
    return _open(item, lambda said, gold: _overlap(said, gold)[1])


def _corrected(item: Item) -> Judged:
    return _open(item, lambda said, gold: f1(*_overlap(said, gold))) if _group(item) == "open" else _exact(item)


_SOURCE = "alibaba-damo-academy/MedEvalKit at 9b12e3b, utils/utils.py, without its language-model judge"

AS_RELEASED = Rule(
    "medevalkit_as_released",
    "MedEvalKit, as released",
    _SOURCE,
    _exact,
    {"open": "exact match", "closed": "accuracy", "overall": "accuracy"},
    _group,
)
F1_AS_RELEASED = Rule(
    "medevalkit_f1_as_released",
    'MedEvalKit "f1", as released',
    _SOURCE + "; what it prints as f1 is the recall",
    _f1_as_released,
    {"open": "token recall, printed as F1"},
    _group,
    parts_words=True,
)
CORRECTED = Rule(
    "medevalkit_corrected",
    "MedEvalKit, corrected",
    _SOURCE + "; the F1 under its own name, an empty answer scored 0",
    _corrected,
    {"open": "token F1", "closed": "accuracy"},
    _group,
    parts_words=True,
)
