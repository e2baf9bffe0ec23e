"""lmms-eval's normalised exact match, as its SLAKE task has it.

Source: EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/slake/utils.py (`normalize_answer`, `slake_process_results`) at
commit 65ef07d, from pull request 1392 of July 2026. It reads English and Chinese. It has no task for VQA-RAD and
PathVQA there: on those, this is the same rule on other questions, and no published figure stands beside it.

Worth knowing: 正常 (normal) counts as yes, 异常 (abnormal) as no, whatever was asked; what stands in parentheses is
not read at all.
"""

from __future__ import annotations

import re
import string

from benchmarks.protocols.rule import Item, Judged, Rule

# The full-width full stop (U+FF0E) is not in the released list.
_FULL_WIDTH = "".join(chr(ord(mark) + 0xFEE0) for mark in string.punctuation if mark != ".")
_BLANKED = str.maketrans(dict.fromkeys(string.punctuation + _FULL_WIDTH + "｡。、《》【】", " "))
_YES = ("yes", "yeah", "yep", "true", "是", "是的", "有", "包含", "可以", "能", "会", "正常")
_NO = ("no", "nope", "false", "否", "不是", "没有", "无", "不包含", "不能", "不会", "不可以", "不正常", "异常")
_SAME = dict.fromkeys(_YES, "yes") | dict.fromkeys(_NO, "no") | {"x ray": "xray"}


def normalise(text: str) -> str:
    """Lower case, no parentheses with what they hold, no punctuation, single blanks, one spelling of yes, no, X-ray."""
    text = re.sub(r"\([^)]*\)|（[^）]*）", " ", text.lower())
    text = " ".join(text.translate(_BLANKED).split())
    return _SAME.get(text, text)


def _judge(item: Item) -> Judged:
    return Judged(float(normalise(item.prediction) == normalise(item.answer)))


EXACT = Rule(
    "lmms_eval",
    "lmms-eval",
    "EvolvingLMMs-Lab/lmms-eval at 65ef07d, lmms_eval/tasks/slake/utils.py (SLAKE only)",
    _judge,
    {"open": "accuracy", "closed": "accuracy", "overall": "accuracy"},
)
