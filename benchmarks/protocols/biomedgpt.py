"""BiomedGPT's accuracy: the very string of the gold answer.

Source: taokz/BiomedGPT at commit 7ebbfb8, utils/eval_utils.py (`eval_vqa_gen`, the branch that generates), with the
gold answers as scripts/preprocess/finetuning/ makes them: VQA-RAD's in lower case and without tabs, SLAKE's and
PathVQA's as they are. It knows nothing of the other branch, which ranks the training answers. It reads Chinese as well
as English.
"""

from __future__ import annotations

from benchmarks.protocols.rule import Item, Judged, Rule


def _judge(item: Item) -> Judged:
    gold = item.answer.replace("\t", "").lower().strip() if item.task == "vqa_rad" else item.answer
    return Judged(float(item.prediction.strip() == gold))


EXACT = Rule(
    "biomedgpt",
    "BiomedGPT",
    "taokz/BiomedGPT at 7ebbfb8, utils/eval_utils.py, eval_vqa_gen; VQA-RAD's gold answers in lower case",
    _judge,
    {"open": "accuracy", "closed": "accuracy", "overall": "accuracy"},
)
