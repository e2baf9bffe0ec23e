"""Yes or no, read from a question and an answer to it: from the word itself, else from a statement of what was asked.

It knows no grammar: what a question asks for is taken from its determiners, and a statement that does not use the
question's own words is not read. It knows nothing of the gold answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.protocols.reading import (
    IDLE,
    Clause,
    Words,
    clauses,
    fold_all,
    folded,
    is_denied,
    is_hypothetical,
    is_refusal,
    plain,
)
from benchmarks.protocols.vocabulary import (
    ARTICLES,
    HEDGES,
    MODIFIERS,
    NO,
    PREPOSITIONS,
    PRESENCE,
    STOP,
    SUBJECTS,
    YES,
)

LEADS = frozenset(("yes", "yeah", "yep", "no", "nope"))
_FILLER = (STOP | HEDGES | PREPOSITIONS | {"answer", "final"}) - YES - NO
_PART = re.compile(r"[.,;:!?\n/()]|\b(?:and|or|but|because|since)\b|(?<=\byes) (?=no\b)|(?<=\bno) (?=yes\b)")
_SO = re.compile(r"\b(?:i )?(do not |would not )?(?:think|believe) so\b")
_IT_IS = re.compile(
    r"\W*(?:it|they|there|this|these|that|those|i|you|we) (?:is|are|was|were|does|do|did|has|have|can)\W*"
)
_CERTAINLY = re.compile(r"\b(?:of course|for sure)\b")

_CHINESE = {
    True: re.compile(r"(?:是|有|存在|可见)(?![否不没非])|(?:对|会|能|可以|正确)的?$"),
    False: re.compile(r"不是|没有|未见|不存在|不包[含括]|无|(?:没|否|非|不|不对|不会|不能|不可以|不正确)的?$"),
}
_CHINESE_LEAD = re.compile(r"^(?:(?:在|该|这|此|本)?(?:张|幅)?(?:图像|图片|图|影像)(?:中|上|里)?|答案)+")
_CHINESE_BARE = re.compile(r"(?:是的?|对的?|有|没有|不是|否|不对|无|不)")


def read_yes_no(question: str, answer: str) -> bool | None:
    """What an unwrapped answer commits to; None where that cannot be read surely, as from two that disagree."""
    if re.search(r"[\u4e00-\u9fff]", answer):
        return _chinese(answer)
    said = {True} if _IT_IS.fullmatch(plain(answer)) else _votes(plain(answer))
    if len(said) > 1:
        return None
    read = _only(said | _statements(question, answer))
    return None if read is False and _is_affirmed_in_part(question, answer) else read


def _only(found: set[bool]) -> bool | None:
    return next(iter(found)) if len(found) == 1 else None


def _votes(text: str) -> set[bool]:
    text = _CERTAINLY.sub("absolutely", _SO.sub(lambda found: " no " if found[1] else " yes ", text))
    parts = [part for part in _PART.split(text) if not is_refusal(part) and not is_hypothetical(part)]
    return {vote for part in parts if (vote := _vote(re.findall(r"[^\W_]+", part))) is not None}


def _vote(words: list[str]) -> bool | None:
    """The yes or no of one part: the word alone, before a pronoun or article, or a "yes" anywhere."""
    core = [word for word in words if word not in _FILLER]
    if core and all(word in YES | NO for word in core):
        return sum(word in NO for word in core) % 2 == 0
    if len(words) > 1 and words[0] in LEADS and words[1] in SUBJECTS | ARTICLES:
        return words[0] not in NO
    return True if "yes" in words else None


@dataclass(frozen=True)
class _Asked:
    """A yes/no question. words: its content. key: the words that an affirming statement has to hold, in order."""

    words: Words
    key: list[str]
    is_definite: bool
    is_about_presence: bool
    denied: bool

    @classmethod
    def read(cls, question: str) -> _Asked:
        """Of "Does the lung show a small mass in the apex?" the key is "small mass"; of a definite one it is all."""
        text = plain(question)
        words = re.findall(r"[^\W_]+", text)[1:]
        starts = [n + 1 for n, word in enumerate(words) if word in ("a", "an", "any", "there")]
        if not starts and words and (words[0] == "you" or words[0] not in ARTICLES | SUBJECTS):
            starts = [0]
        denied = is_denied(text) != ("abnormal" in words)
        words = ["normal" if word == "abnormal" else word for word in words]
        content = [word for word in folded(" ".join(words)) if word not in IDLE]
        key = _up_to_preposition(words[starts[-1] :]) if starts else content
        present = bool(PRESENCE.intersection(words) or "there" in words)
        return cls(frozenset(content), key or content, not (starts and key), present, denied)

    def is_other_way_round(self, words: Iterable[str]) -> bool:
        """Whether a definite question's words come in another order: "the spleen is larger than the liver"."""
        rest = iter(self.key)
        return self.is_definite and not all(word in rest for word in words if word in self.words)


def _up_to_preposition(words: list[str]) -> list[str]:
    """The content of the first phrase that has any."""
    found: list[str] = []
    for word in words:
        if word in PREPOSITIONS and found:
            break
        found += [w for w in folded(word) if w not in IDLE]
    return found


def _statements(question: str, answer: str) -> set[bool]:
    asked = _Asked.read(question)
    found = {_stated(asked, clause, item) for clause in clauses(answer) if not clause.is_open for item in clause.items}
    return {value for value in found if value is not None}


def _is_affirmed_in_part(question: str, answer: str) -> bool:
    """Whether what a plain question asks for is stated with more said of it: "there is a mass in the right lobe"."""
    asked = _Asked.read(question)
    if asked.is_definite or asked.denied:
        return False
    kept = (clause for clause in clauses(answer) if not clause.denied and not clause.is_open)
    return any(frozenset(asked.key) <= frozenset(item) for clause in kept for item in clause.items)


_MODIFIERS = fold_all(MODIFIERS)
_PRESENCE = fold_all(PRESENCE)
_ABSENCE = fold_all(frozenset(("absent", "none")))
_PRONOUNS = fold_all(SUBJECTS)


def _stated(asked: _Asked, clause: Clause, item: list[str]) -> bool | None:
    """Whether one item of a clause affirms or denies what was asked."""
    said = ["normal" if word == "abnormal" else word for word in item]
    holds = frozenset(said) - IDLE
    value = clause.denied == (asked.denied != ("abnormal" in item))
    if not holds:
        return _bare(asked, clause, item)
    if not holds <= asked.words | (frozenset() if clause.denied else _MODIFIERS) or asked.is_other_way_round(said):
        return None
    is_predicate = clause.items == [item] if len(item) == 1 else item[0] in _PRONOUNS or clause.denied
    if holds == {asked.key[-1]} and asked.is_definite and is_predicate:  # "Abnormal", "It is abnormal"
        return value
    if clause.denied and asked.key[-1] in holds and not (asked.is_definite and _PRESENCE.intersection(item)):
        return value
    return value if holds >= frozenset(asked.key) else None


def _bare(asked: _Asked, clause: Clause, item: list[str]) -> bool | None:
    """ "Not seen.", "Absent": an answer to a plain question about presence, and to no other."""
    says_presence = (_PRESENCE | _ABSENCE).intersection(item)
    return not clause.denied if says_presence and asked.is_about_presence and not asked.denied else None


def _chinese(answer: str) -> bool | None:
    parts = [_CHINESE_LEAD.sub("", part.strip()) for part in re.split(r"[,，。;；!\n\s]", answer) if part.strip()]
    if is_refusal(answer) or not parts or re.search(r"是否|有没有|是不是|还是|或", answer):
        return None
    bare = [part for part in parts[1:] if _CHINESE_BARE.fullmatch(part)]
    return _only({value for part in [parts[0], *bare] for value in [_chinese_word(part)] if value is not None})


def _chinese_word(part: str) -> bool | None:
    return next((value for value in (False, True) if _CHINESE[value].match(part)), None)


def gold_yes_no(gold: str) -> bool | None:
    """The gold answer as yes or no; None where it is neither."""
    word = plain(gold).strip(" .。!")
    return {"yes": True, "no": False, "是": True, "有": True, "否": False, "没有": False, "不是": False}.get(word)
