"""Caption metrics of well-kept libraries, one score a caption, without Java and without a network.

Each knows texts and nothing of images, models or intervals. None of them knows medicine: "no effusion" and "effusion"
agree in all but a word. A metric whose library or data are not installed says so and has no scores.

Sources: ROUGE-L, C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004; CIDEr-D, R. Vedantam,
C. L. Zitnick and D. Parikh, "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, section 6; METEOR,
S. Banerjee and A. Lavie, "METEOR: An Automatic Metric for MT Evaluation", 2005.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

INSTALL = 'pip install "medfly[captions]"'
WORDNET = "python -m nltk.downloader wordnet"
WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:[-']\w+)*")
WORDS_NOTE = (
    "lower case; words are runs of letters and digits, joined by inner hyphens, apostrophes and decimal points; "
    "other punctuation is dropped"
)
ROUGE_WORDS_NOTE = "the library's own: lower case, runs of a-z and 0-9, all else separates"
UNLIKE = "we know of no published figure that was made with this library, variant and tokenisation"


class NotComputed(Exception):
    """Why a metric has no scores here, and what to do about it."""


def words(text: str) -> list[str]:
    """The tokens of CIDEr-D and METEOR here: T2-weighted and 3.5 are one word each.

    The field's own tokenizer (Stanford's PTB) needs Java. Scripts without blanks between words are not cut.
    """
    return WORD.findall(text.lower())


@dataclass(frozen=True)
class Metric(ABC):
    """One way to score captions against reference texts.

    key: in scores.json. title: for people. library: as pip calls it. maximum: of a caption's score.
    variant, tokenisation: what exactly is computed. not_comparable: why published figures are not.
    """

    key: str
    title: str
    variant: str
    tokenisation: str = WORDS_NOTE
    not_comparable: str = UNLIKE
    library: ClassVar[str]
    maximum: ClassVar[float] = 1.0

    @abstractmethod
    def scores(self, references: Sequence[Sequence[str]], predictions: Sequence[str]) -> list[float]:
        """References (one or more texts each) and predictions [N] → scores [N] in 0 … maximum, higher is better.

        A prediction without words scores 0. Raises NotComputed where the metric cannot be had.
        """

    def has_words(self, text: str) -> bool:
        """Whether the metric sees anything in a text; of another alphabet it may not."""
        return bool(words(text))

    def facts(self) -> dict[str, Any]:
        """What a number must be told with. version is None where the library is not installed."""
        try:
            installed = version(self.library)
        except ModuleNotFoundError:
            installed = None
        return {
            "title": self.title,
            "library": self.library,
            "version": installed,
            "variant": self.variant,
            "tokenisation": self.tokenisation,
            "maximum": self.maximum,
            "comparable": False,
            "not_comparable": self.not_comparable,
        }


@dataclass(frozen=True)
class RougeL(Metric):
    """The longest common subsequence of words, as F1; of several references the best one counts."""

    tokenisation: str = ROUGE_WORDS_NOTE
    not_comparable: str = UNLIKE + "; coco-caption's ROUGE-L weighs recall more (beta 1.2)"
    stemmer: bool = False
    library: ClassVar[str] = "rouge-score"

    def scores(self, references: Sequence[Sequence[str]], predictions: Sequence[str]) -> list[float]:
        try:
            from rouge_score.rouge_scorer import RougeScorer
        except ModuleNotFoundError:
            raise _missing(self.library) from None
        scorer = RougeScorer(["rougeL"], use_stemmer=self.stemmer)
        pairs = zip(references, predictions, strict=True)
        return [float(scorer.score_multi(texts, said)["rougeL"].fmeasure) for texts, said in pairs]

    def has_words(self, text: str) -> bool:
        return re.search("[a-z0-9]", text.lower()) is not None


@dataclass(frozen=True)
class CiderD(Metric):
    """Agreement in word groups of one to four, each weighed by how few images have it in their references.

    A score depends on all images scored with it. 10 is reached by captions of four words and more alone, and what
    stands in every image's references weighs nothing.
    """

    library: ClassVar[str] = "pycocoevalcap"
    maximum: ClassVar[float] = 10.0

    def scores(self, references: Sequence[Sequence[str]], predictions: Sequence[str]) -> list[float]:
        if len(predictions) < 2:
            raise NotComputed("document frequencies of a single image weigh every word 0; score two or more")
        try:
            from pycocoevalcap.cider.cider_scorer import CiderScorer
        except ModuleNotFoundError:
            raise _missing(self.library) from None
        if not any(words(text) for texts in references for text in texts):
            return [0.0] * len(predictions)  # on which the library stops with an error
        scorer = CiderScorer()
        for texts, said in zip(references, predictions, strict=True):
            scorer += (" ".join(words(said)), [" ".join(words(text)) for text in texts])
        _, scores = scorer.compute_score()
        return [min(float(score), self.maximum) for score in scores]  # rounding can lead past it


@dataclass(frozen=True)
class Meteor(Metric):
    """Words matched as they are, by stem and by WordNet's synonyms, with a penalty for their order.

    A caption of m words equal to its reference scores 1 − 0.5 / m³, for its words are one chunk still.
    """

    not_comparable: str = UNLIKE + "; the usual METEOR 1.5 (Java) has other weights and paraphrases"
    library: ClassVar[str] = "nltk"

    def scores(self, references: Sequence[Sequence[str]], predictions: Sequence[str]) -> list[float]:
        try:
            from nltk.translate.meteor_score import meteor_score
        except ModuleNotFoundError:
            raise _missing(self.library) from None
        wordnet = _wordnet()
        pairs = zip(references, predictions, strict=True)
        return [
            float(meteor_score([words(text) for text in texts], words(said), wordnet=wordnet)) for texts, said in pairs
        ]


def _wordnet() -> Any:
    """NLTK's reader of the installed WordNet, zipped or not. Raises NotComputed where it is not installed."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    for place in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # other languages than English are not there
            try:
                return WordNetCorpusReader(nltk.data.find(place), None)
            except LookupError:
                continue
            except OSError:
                raise NotComputed(f"WordNet's data cannot be read; {WORDNET}") from None
    raise NotComputed(f"WordNet's data are not installed; {WORDNET}")


def _missing(library: str) -> NotComputed:
    return NotComputed(f"{library} is not installed; {INSTALL}")


METRICS: tuple[Metric, ...] = (
    RougeL("rouge_l", "ROUGE-L", "F1 of the longest common subsequence, best reference, no stemmer"),
    RougeL(
        "rouge_l_stemmed",
        "ROUGE-L, stemmed",
        "F1 of the longest common subsequence, best reference, Porter stemmer on words of four letters and more",
        stemmer=True,
    ),
    CiderD(
        "cider_d",
        "CIDEr-D",
        "as released by coco-caption: clipped, sigma 6, raw counts as term frequency, mean over 1 to 4 words, no "
        "stemmer; document frequencies of the very images scored here",
    ),
    Meteor("meteor", "METEOR", "METEOR 2005 (alpha 0.9, beta 3, gamma 0.5), best reference"),
)
