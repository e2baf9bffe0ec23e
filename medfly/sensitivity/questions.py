"""Questions in other words that ask the same, and questions that a change of the picture would change the answer of.

Templates, each with why it keeps the meaning; where the grammar or the meaning is not certain there is none. They are
English: other questions are left as they are. The module knows no picture and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable

NOUN = r"(?:image|picture|scan)"
WORD = r"(?!(?:no|not|or|and|of|any|more|that|which|who|with|evidence|signs?|still|also|[a-z]*ly)\b)[A-Za-z-]+"
THING = rf"(?P<thing>{WORD}(?: {WORD}){{0,3}}?)"
"""Up to four words that name one thing, so that they can be moved as a whole."""
TAIL = rf"(?P<tail> in (?:this|the) {NOUN})"
NAMED = re.compile(
    r"\b(this|the|an?) (image|picture)(?=[?,.]|$| (?:is|was|shows?|looks?|normal|abnormal|contains?|belongs?|taken"
    r"|shown|represents?|depicts?|locates?|located|exists?|in|via)\b)",
    re.IGNORECASE,
)
ASKED = re.compile(r"^(?:what|which|where|when|who|how|why|is|are|does|do|did|can|could|has|have|was|were)\b", re.I)


def _put(pattern: str, words: str) -> Callable[[str], str]:
    """A question of this form, whole, with its parts put into other words; another question is left as it is."""
    form = re.compile(pattern, re.IGNORECASE)
    return lambda question: form.sub(words, question) if form.fullmatch(question) else question


def _small(question: str) -> str:
    """Small letters, but for words that carry their capitals for a reason, such as CT, T1 and X-Ray."""
    return re.sub(r"(?<![\w-])[A-Z][a-z]+(?![\w-])", lambda word: word[0].lower(), question)


def _unmarked(question: str) -> str:
    """Without the question mark; with one where a question has nothing."""
    if question.endswith("?"):
        return question[:-1].rstrip()
    return question + "?" if ASKED.match(question) and question[-1].isalnum() else question


def _other_noun(question: str) -> str:
    """ "Picture" for "image" and "image" for "picture", with the article that the word takes.

    Only behind an article or "this", and at the end or before a word that such a noun ends at: "the clinical picture"
    and "to image" mean something else, and "image quality" is one name.
    """

    def other(found: re.Match[str]) -> str:
        before, noun = found[1], "picture" if found[2].lower() == "image" else "image"
        if before.lower() in ("a", "an"):
            before = before[0] + ("" if noun == "picture" else "n")
        return f"{before} {noun}"

    return NAMED.sub(other, question)


def _the(question: str) -> str:
    """ "The image" for "this image": there is one."""
    return re.sub(rf"\bthis (?={NOUN}(?![\w-]))", "the ", question)


# One name each; a template of several forms has at most one that fits a question.
PARAPHRASES: tuple[tuple[str, tuple[Callable[[str], str], ...]], ...] = (
    ("small letters", (_small,)),
    ("question mark", (_unmarked,)),
    ("image or picture", (_other_noun,)),
    ("the for this", (_the,)),
    # a scan is an image; only at the end, where it cannot be part of a longer name
    ("image for scan", (_put(r"(.*\b(?:this|the)) scan\?", r"\1 image?"),)),
    # the contraction of the same words
    ("what's", (_put(r"(what|where) is (the .*)", r"\1's \2"),)),
    (
        "can be seen",
        (
            # what is there in an image is what can be seen in it: only where the image is named
            _put(rf"is there (?P<one>an?) {THING}{TAIL}\?", r"Can \g<one> \g<thing> be seen\g<tail>?"),
            _put(rf"does (?:this|the) (?P<noun>{NOUN}) contain {THING}\?", r"Can \g<thing> be seen in the \g<noun>?"),
            _put(rf"does the {THING} (?:appear|exist){TAIL}\?", r"Can the \g<thing> be seen\g<tail>?"),
            _put(rf"can (?P<one>an?) {THING} be seen{TAIL}\?", r"Is there \g<one> \g<thing>\g<tail>?"),
            _put(rf"(can .*) be observed\b(.*{TAIL}\?)", r"\1 be seen\2"),
        ),
    ),
)


def paraphrases(question: str) -> list[tuple[str, str]]:
    """(template, question in other words) for each template that fits; none but for English text, each wording once."""
    question = " ".join(question.split())
    if not question.isascii() or not any(letter.isalnum() for letter in question):
        return []
    found: dict[str, str] = {}
    for name, forms in PARAPHRASES:
        for form in forms:
            said = form(question)
            if said not in (question, *found):
                found[said] = name
                break
    return [(name, said) for said, name in found.items()]


GREYS = re.compile(
    r"\b(?:colou?r|black|white|gr[ae]y|bright|dark|light|dens|intens|signal|lucen|echogen|attenuat|hyper|hypo|iso"
    r"|enhanc|contrast|weight|invert|invers|window|sequence|expos|T[12]\b|FLAIR\b|HU\b)|[黑白灰色亮暗]|密度|信号|加权",
    re.IGNORECASE,
)
MEASURED = re.compile(
    r"\b(?:mm|cm|pixels?|coordinates?|millimet|centimet|diameter|measure|how (?:large|big|long|wide|thick|far))"
    r"|[厘毫]米",
    re.IGNORECASE,
)
QUALITY = re.compile(
    r"\b(?:quality|nois[ey]|artefact|artifact|blur|sharp|compress|jpe?g|resolution)|质量|噪", re.IGNORECASE
)
ONE_SIDED = re.compile(
    r"\b(?:situs|dextro|levo|laevo|sinistr|lingula|mirror|flip|clockwise|o'clock|marker|letter|text|label|writ|word|annotat"
    r"|(?:are|is|was|has|have|anything|something|all|it|that's) (?:left|right)\b(?! ?(?:lung|side|kidney))"
    r"|right (?:now|away|angle|diagnosis|answer)|left (?:over|untreated|behind|alone))"
    r"|\b(?:[RL][UML]L|[RL][UL]Q|LAD|RCA|LCA|LCX|OD|OS|[RL]T?)\b|左右|镜像|文字|标记",
    re.IGNORECASE,
)


def asks_about_greys(question: str) -> bool:
    """Whether the answer may lie in the shown grey levels, as colour, density and weighting do; sooner yes than no."""
    return bool(GREYS.search(question))


def asks_for_a_measure(question: str) -> bool:
    """Whether the answer may be a length or a place in numbers, which zoom and shift change."""
    return bool(MEASURED.search(question))


def asks_about_quality(question: str) -> bool:
    """Whether the answer may be how good the picture is."""
    return bool(QUALITY.search(question))


def knows_its_side(question: str) -> bool:
    """Whether the question would mean something else of a mirrored picture, or left and right mean no sides in it."""
    return bool(ONE_SIDED.search(question))
