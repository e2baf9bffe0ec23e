"""LLaVA-Med's two evaluation scripts, item by item.

Source: microsoft/LLaVA-Med, v1's code at commit ad758b6: llava/eval/run_eval.py and run_eval_batch.py
(`evaluate`), llava/eval/eval_metrics/evaluate_metrics.py (`calculate_f1score`, `calculate_exactmatch`) and
glossary.py (`normalize_word`). What looks like a slip is kept, because the published figures were made with it:

- the prediction's repetitions count as true positives, so "lung lung lung" has precision and recall 1;
- "no" is looked for in the letters, and "abnormal", "cannot" and "nodule" contain it;
- run_eval drops a wrong yes/no answer from the closed denominator. run_eval_batch has it in, with the remark that
  leaving it out is dangerous.

Not here: what the scripts call open accuracy (run_eval's needs the authors' list of training answers), and BLEU. These
rules split at white space and cannot read Chinese: a whole sentence is one word.
"""

from __future__ import annotations

import re
from collections import Counter

from benchmarks.protocols.overlap import f1
from benchmarks.protocols.rule import Group, Item, Judged, Rule

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
_NUMBERS |= {"seven": "7", "eight": "8", "nine": "9", "ten": "10"}
_ARTICLES = {"a", "an", "the"}
# The words that VQA's evaluation gives back one lost apostrophe: "dont" → "don't", "couldnt've" → "couldn't've".
_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
_REPAIRED = {
    word[: mark.start()] + word[mark.end() :]: word for word in _CONTRACTIONS.split() for mark in re.finditer("'", word)
} | {"somebody'd": "somebodyd"}  # sic


def normalise(text: str) -> str:
    """The VQA evaluation's normalisation, as LLaVA-Med has it.

    A punctuation mark is removed where it touches a blank anywhere in the text, or where the text has a number like
    1,000; else it becomes a blank. Full stops go unless a digit follows, the first 32 of them: the released code hands
    re.UNICODE over as the count. Number words become digits, articles go, lost apostrophes come back.
    """
    text = text.lower()
    thousands = re.search(r"\d,\d", text) is not None
    closed = {mark: thousands or f"{mark} " in text or f" {mark}" in text for mark in _PUNCTUATION}
    text = text.translate({ord(mark): "" if joins else " " for mark, joins in closed.items()})
    text = re.sub(r"\.(?!\d)", "", text, count=32)
    words = (_NUMBERS.get(word, word) for word in text.split())
    return " ".join(_REPAIRED.get(word, word) for word in words if word not in _ARTICLES)


def open_scores(prediction: str, answer: str) -> dict[str, float]:
    """f1, precision, recall and exact of an open question, each 0 … 1.

    exact: how many of the gold answer's different words occur in the prediction, over the number of predicted words.
    """
    # Twice, as released: once by the script, once by the measure. Only texts with over 32 full stops show it.
    predicted = Counter(normalise(normalise(prediction)).split())
    gold = Counter(normalise(normalise(answer)).split())
    hits = sum(count for word, count in predicted.items() if word in gold)
    missed = sum(count for word, count in gold.items() if word not in predicted)
    if not hits:
        return dict.fromkeys(("f1", "precision", "recall", "exact"), 0.0)
    precision, recall = hits / predicted.total(), hits / (hits + missed)
    exact = len(predicted.keys() & gold.keys()) / predicted.total()
    return {"f1": f1(precision, recall), "precision": precision, "recall": recall, "exact": exact}


def hit_batch(prediction: str, answer: str) -> int:
    """run_eval_batch on a closed question: whether the gold answer is part of the prediction's text."""
    return int(normalise(answer) in normalise(prediction))


def hit_run_eval(prediction: str, answer: str) -> int | None:
    """run_eval on a closed question: None where it counts neither as right nor as wrong."""
    if not _says_yes_or_no(prediction):
        return 0  # even where it equals a gold answer that is neither
    return hit_batch(prediction, answer) or None


def _says_yes_or_no(prediction: str) -> bool:
    said = normalise(prediction)
    return "yes" in said or "no" in said


def _judge(item: Item, measure: str, closed: Judged) -> Judged:
    """An open item by one of its `open_scores`, a closed one as given; others are in neither loop of the scripts."""
    if item.answer_type == "OPEN":
        return Judged(open_scores(item.prediction, item.answer)[measure])
    return closed if item.answer_type == "CLOSED" else Judged(None)


def _run_eval(item: Item) -> Judged:
    closed = Judged(hit_run_eval(item.prediction, item.answer), unparsed=not _says_yes_or_no(item.prediction))
    return _judge(item, "recall", closed)


def _run_eval_batch(item: Item) -> Judged:
    return _judge(item, "recall", Judged(hit_batch(item.prediction, item.answer)))


_SOURCE = "microsoft/LLaVA-Med at ad758b6, llava/eval/"
_MIXED: dict[Group, str] = {"open": "token recall", "closed": "accuracy"}

RUN_EVAL = Rule(
    "llava_med_run_eval",
    "LLaVA-Med run_eval",
    _SOURCE + "run_eval.py; a wrong yes/no answer is left out of the closed denominator",
    _run_eval,
    _MIXED,
    parts_words=True,
)
RUN_EVAL_BATCH = Rule(
    "llava_med_run_eval_batch",
    "LLaVA-Med run_eval_batch",
    _SOURCE + "run_eval_batch.py",
    _run_eval_batch,
    _MIXED,
    parts_words=True,
)
F1 = Rule(
    "llava_med_f1",
    "LLaVA-Med F1",
    _SOURCE + "eval_metrics/evaluate_metrics.py, calculate_f1score",
    lambda item: _judge(item, "f1", Judged(None)),
    {"open": "token F1"},
    parts_words=True,
)
EXACT = Rule(
    "llava_med_exact",
    'LLaVA-Med "exact"',
    _SOURCE + "eval_metrics/evaluate_metrics.py, calculate_exactmatch; no exact match: words found over words said",
    lambda item: _judge(item, "exact", Judged(None)),
    {"open": "gold words found over words said"},
    parts_words=True,
)
