"""Is this question, or this picture, unlike all that a calibration was made with?

The picture is judged as the model read it, by how far its tokens' statistics lie from those of the calibration's
pictures; the question by the share of its words that stood in no question there. Limits are set on pictures and
questions that were left out in turn. It tells unlike inputs, not wrong answers: a lung where the liver is asked about,
or a rare finding in a plain picture, looks familiar. With numpy alone; it knows no model and no file format.

What it keeps: averages over all pictures and a few directions in which they differ, at most one for every SHARE
pictures, so that no picture's own features can be had back; of words, which of some thousand boxes they fell into.
Who knows a word can look for it: an empty box says "surely not used", a full one "perhaps", since about one word in
WORD_BOXES falls into a full one by chance. No question, and no order of words, can be had back.

Sources. Distance: K. Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018;
shrinkage: O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
Multivariate Analysis 88 (2004) 365–411. Random signs in place of all dimensions: M. Charikar, K. Chen and
M. Farach-Colton, "Finding Frequent Items in Data Streams", ICALP 2002. Boxes of words: B. H. Bloom, "Space/time
trade-offs in hash coding with allowable errors", CACM 13 (1970) 422–426.

Shapes: n pictures, F features, K directions, P' positions, D decoder width.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfly.geometry import LEVELS

if TYPE_CHECKING:
    from medfly.engine import Prefix

QUANTILE = 0.99  # of real ones that were left out, so many are to pass, by the picture and by the words alike
WIDTH = 64  # sums of dimensions that stand for a token of any width
DIRECTIONS, SHARE = 16, 4  # at most so many directions, and at most one for so many pictures
FOLDS = 8
LEAST = 8  # pictures, and questions: with fewer there is nothing to leave out
BLANK = 1e-4  # a blank picture's spread was under 1e-13, a real one's over 0.06 (mini, SLAKE)
WORD_BOXES = 16  # boxes for one known word
NO_PICTURE = "asked without a picture; the calibration was made with pictures"
ARRAYS = ("center", "scale", "directions", "along")
CONSTANT = "the picture is blank, or the same all over"
OTHER_FEATURES = "the picture was looked at in another way than those of the calibration"
SAID_OFTEN = """
    a an the is are was were be been do does did has have had can could will would should may might there this that
    these those it its in on of to for from with at by as and or not no any some what which where when who whom whose
    why how many much you your i me my we our he she his her they their
"""
EMPTY = frozenset(SAID_OFTEN.split())  # words that do not tell what is asked


def features(prefix: Prefix) -> list[float] | None:
    """What tells a picture from others, as the model read it; None without a picture.

    First the spread: the variance between the medium and high crops' mean tokens, as a share of the tokens' mean
    square; 0 where all crops look the same. Then for every level that was looked at, of its tokens without newlines,
    `sketched` to at most WIDTH numbers each: the mean and the standard deviation.
    """
    if not prefix.crops:
        return None
    embeddings = prefix.embeddings[0].float().cpu().numpy().astype(np.float64)
    crops = list(zip((level for level, _ in prefix.crops), _crops(embeddings), strict=True))
    told = [_spread([crop for level, crop in crops if level != "low"])]
    for level in LEVELS:
        of_level = [crop for one, crop in crops if one == level]
        if of_level:
            tokens = np.concatenate(of_level)
            told += [*sketched(tokens.mean(0)).tolist(), *sketched(tokens.std(0)).tolist()]
    return told


def _crops(embeddings: np.ndarray) -> list[np.ndarray]:
    """[P', D] → each crop's tokens. Every crop ends in the newline token, whose embedding is always the same."""
    ends = np.flatnonzero((embeddings == embeddings[-1]).all(1))
    starts = [0, *(ends[:-1] + 1)]
    return [embeddings[start:end] for start, end in zip(starts, ends, strict=True)]


def _spread(crops: Sequence[np.ndarray]) -> float:
    if len(crops) < 2:
        return 1.0  # nothing to compare: never told to be blank
    means = np.array([crop.mean(0) for crop in crops])
    whole = np.mean(np.concatenate(crops) ** 2)
    return float(means.var(0).mean() / whole) if whole > 0 else 0.0


def sketched(values: np.ndarray) -> np.ndarray:
    """[D] → [at most WIDTH]: wider ones as WIDTH sums of dimensions with fixed signs, which keep distances roughly."""
    width = len(values)
    if width <= WIDTH:
        return values
    digest = hashlib.shake_128(b"medfly.trust.outside").digest(width)
    signed = np.where(np.frombuffer(digest, np.uint8) & 1, values, -values)
    return np.pad(signed, (0, -width % WIDTH)).reshape(WIDTH, -1).sum(1)


@dataclass(frozen=True, eq=False)
class Shape:
    """How the calibration's pictures lie. center, scale: [F]; directions: [K, F], orthonormal, of the scaled features.

    along: [K], the shrunk variance along each direction; across: that of every other one.
    """

    center: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    along: np.ndarray
    across: float

    @classmethod
    def of(cls, features: np.ndarray) -> Shape:
        """[n, F] → the shrunk covariance of the scaled features, all but its first K variances averaged."""
        n, width = features.shape
        center, scale = features.mean(0), features.std(0)
        scale = scale + (1e-3 * scale.mean() or 1.0)  # a feature that was always the same must not decide alone
        scaled = (features - center) / scale
        rest, directions = np.linalg.eigh(scaled @ scaled.T / n)  # small: [n, n], its variances are those of [F, F]
        order = np.argsort(rest)[::-1][: max(1, min(DIRECTIONS, n // SHARE))]
        lengths = np.maximum(rest[order], 1e-12)
        shrinkage, mean = ledoit_wolf(scaled), rest.sum() / width
        left = max(rest.sum() - lengths.sum(), 0.0) / max(width - len(order), 1)
        across = shrinkage * mean + (1 - shrinkage) * left
        axes = directions[:, order].T @ scaled / np.sqrt(n * lengths)[:, None]
        return cls(center, scale, axes, (1 - shrinkage) * lengths + shrinkage * mean, max(float(across), 1e-12))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """[..., F] → Mahalanobis distances over √F: about 1 for a picture like those."""
        scaled = (features - self.center) / self.scale
        parts = (scaled @ self.directions.T) ** 2
        others = np.maximum((scaled**2).sum(-1) - parts.sum(-1), 0.0)
        return np.sqrt(((parts / self.along).sum(-1) + others / self.across) / len(self.center))


def ledoit_wolf(centred: np.ndarray) -> float:
    """[n, F], means taken off → how much of the covariance is given to its mean variance, 0 … 1; never forms [F, F]."""
    n, width = centred.shape
    gram = centred @ centred.T / n
    norm = (gram**2).sum()  # of the covariance
    spread = norm - np.trace(gram) ** 2 / width
    noise = ((np.diag(gram) ** 2).sum() * n - norm) / n
    return float(np.clip(noise / spread, 0.0, 1.0)) if spread > 0 else 1.0


@dataclass(frozen=True, eq=False)
class Familiar:
    """What the calibration's pictures and questions were like.

    farthest: distance up to which a picture is familiar; shape: of features [1:], the spread has a limit of its own.
    words: full boxes, of `boxes`. strangest: share of a question's words that may be unknown, 0 … 1.
    """

    shape: Shape
    farthest: float
    boxes: int
    words: frozenset[int]
    strangest: float

    @classmethod
    def fit(cls, features: Any, questions: Sequence[str], images: Sequence[Hashable] | None = None) -> Familiar:
        """features: [n, F], a row for each picture (rows that come again count once); questions: all, of any number.

        images: which picture each question is about: a picture's questions are left out together, for their words
            are alike; without it all that are worded the same are, which makes limits a little wider.
        Raises ValueError with fewer than LEAST pictures or questions, or features that are no numbers.
        """
        pictures = np.asarray(features, np.float64)
        if pictures.ndim != 2 or not np.isfinite(pictures).all():
            raise ValueError(f"features of shape {pictures.shape}; expected finite numbers [pictures, features]")
        pictures = np.unique(pictures, axis=0)
        if min(len(pictures), len(questions)) < LEAST:
            raise ValueError(f"{len(pictures)} pictures and {len(questions)} questions; expected at least {LEAST} each")
        found = [content(question) for question in questions]
        groups = [" ".join(sorted(words)) for words in found] if images is None else images
        if len(groups) != len(questions):
            raise ValueError(f"{len(groups)} images of {len(questions)} questions; expected one for each")
        known = frozenset().union(*found)
        boxes = 1 << max(8, math.ceil(math.log2(WORD_BOXES * max(len(known), 1))))
        return cls(
            Shape.of(pictures[:, 1:]),
            limit(_left_out_distances(pictures[:, 1:])),
            boxes,
            frozenset(box(word, boxes) for word in known),
            limit(_left_out_shares(found, groups)),
        )

    def strange(self, features: Sequence[float] | None, question: str) -> tuple[str, ...]:
        """Why this is unlike what the calibration was made with, in words; empty where it is not. No word is repeated.

        features: of the picture, by `features`; None where there is none.
        """
        return (*self._picture(features), *self._words(question))

    def _picture(self, features: Sequence[float] | None) -> list[str]:
        if features is None:
            return [NO_PICTURE]
        told = np.asarray(features, np.float64)
        if told.shape != (1 + len(self.shape.center),):
            return [OTHER_FEATURES]
        if told[0] < BLANK:
            return [CONSTANT]
        distance = float(self.shape.distance(told[1:]))
        if distance <= self.farthest:  # not so for NaN
            return []
        return [
            f"the picture is unlike those of the calibration: its distance from them is {distance:.2f}, "
            f"{100 * QUANTILE:.0f} % of them were within {self.farthest:.2f}"
        ]

    def _words(self, question: str) -> list[str]:
        words = content(question)
        if not words:
            return [] if self.strangest >= 1 else ["no word of the question says what is asked"]
        unknown = sum(box(word, self.boxes) not in self.words for word in words)
        if unknown / len(words) <= self.strangest:
            return []
        return [f"words of the question were in no question of the calibration ({unknown} of {len(words)})"]

    def to_dict(self) -> dict[str, Any]:
        """As JSON, arrays as base64 of little-endian 32-bit floats: some 40 KB for a model of any width."""
        full = np.isin(np.arange(self.boxes), list(self.words))
        return {
            **{name: base64.b64encode(getattr(self.shape, name).astype("<f4").tobytes()).decode() for name in ARRAYS},
            "across": self.shape.across,
            "farthest": self.farthest,
            "words": base64.b64encode(np.packbits(full).tobytes()).decode(),
            "strangest": self.strangest,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Familiar:
        """Raises ValueError, KeyError or TypeError for what `to_dict` has not made."""
        center, scale, directions, along = (_floats(told, name) for name in ARRAYS)
        numbers = [float(told[name]) for name in ("across", "farthest", "strangest")]
        whole = len(center) and len(scale) == len(center) and len(directions) == len(along) * len(center)
        full = np.unpackbits(np.frombuffer(_bytes(told, "words"), np.uint8))
        whole = whole and len(full)
        if not whole or not (np.concatenate([scale, along, numbers[:1]]) > 0).all() or not np.isfinite(numbers).all():
            raise ValueError("familiar: arrays that do not fit each other; expected those of `medfly calibrate`")
        shape = Shape(center, scale, directions.reshape(len(along), -1), along, numbers[0])
        return cls(shape, numbers[1], len(full), frozenset(np.flatnonzero(full).tolist()), numbers[2])


def content(question: str) -> frozenset[str]:
    """The words that tell what is asked: lower case, a plural's s off, without those of EMPTY and single letters."""
    found = re.findall(r"[^\W\d_]{2,}", question.casefold())
    return frozenset(_singular(word) for word in found if word not in EMPTY)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def box(word: str, boxes: int) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(errors="replace"), digest_size=8).digest(), "big") % boxes


def limit(left_out: Sequence[float] | np.ndarray) -> float:
    """The least value that the share QUANTILE of those left out do not pass; of fewer than 100 the highest."""
    return float(np.quantile(left_out, QUANTILE, method="higher"))


def _left_out_distances(pictures: np.ndarray) -> np.ndarray:
    """[n, F] → [n], in any order: each picture's distance from a shape made without it and its fold."""
    folds = _folds(range(len(pictures)))
    return np.concatenate([Shape.of(np.delete(pictures, fold, 0)).distance(pictures[fold]) for fold in folds])


def _left_out_shares(questions: Sequence[frozenset[str]], groups: Sequence[Hashable]) -> list[float]:
    """Each question's share of words that stand in no question of the other folds, folds made of whole groups."""
    found = []
    for fold in map(set, _folds(dict.fromkeys(groups))):
        inside = [words for words, group in zip(questions, groups, strict=True) if group in fold]
        outside = (words for words, group in zip(questions, groups, strict=True) if group not in fold)
        known = frozenset().union(*outside)
        found += [len(words - known) / len(words) if words else 1.0 for words in inside]
    return found


def _folds(items: Iterable[Any]) -> list[list[Any]]:
    """In an order that is always the same and has nothing to do with theirs."""
    rest = list(items)
    order = np.random.default_rng(0).permutation(len(rest))
    return [[rest[i] for i in order[start::FOLDS]] for start in range(min(FOLDS, len(rest)))]


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    """What stands there as base64; the libraries' own words for what is none tell a user nothing."""
    try:
        return base64.b64decode(told[name], validate=True)
    except (ValueError, TypeError):
        raise ValueError(f"familiar: {name} is not base64") from None


def _floats(told: Mapping[str, Any], name: str) -> np.ndarray:
    data = _bytes(told, name)
    if len(data) % 4:
        raise ValueError(f"familiar: {name} has {len(data)} bytes, which are not 32-bit numbers")
    found = np.frombuffer(data, "<f4").astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"familiar: {name} holds a number that is not finite")
    return found
