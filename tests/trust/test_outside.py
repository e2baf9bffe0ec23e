"""What is told to be strange: statistics against scikit-learn and plain loops, limits, words, and what is kept."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from medfly.trust.outside import (
    CONSTANT,
    NO_PICTURE,
    OTHER_FEATURES,
    WIDTH,
    Familiar,
    Shape,
    content,
    features,
    ledoit_wolf,
    limit,
    sketched,
)

ORGANS = ("lung", "heart", "liver", "spleen", "kidney", "brain", "bladder", "stomach")
QUESTIONS = tuple(f"{form} the {organ}?" for organ in ORGANS for form in ("Where is", "How large is")) * 4
RANDOM = np.random.default_rng(0)


def pictures(count: int, width: int = 40) -> np.ndarray:
    """[count, 1 + width]: the spread, and features with a few strong directions."""
    made = np.random.default_rng([count, width])
    mixing = np.random.default_rng(1).normal(size=(4, width))
    return np.column_stack(
        [made.uniform(0.1, 0.3, count), made.normal(size=(count, 4)) @ mixing + made.normal(5, 0.3, (count, width))]
    )


@pytest.fixture(scope="module")
def familiar() -> Familiar:
    return Familiar.fit(pictures(60), QUESTIONS)


def prefix(embeddings: np.ndarray, crops: list[tuple[str, int]]) -> Any:
    torch = pytest.importorskip("torch")
    return SimpleNamespace(embeddings=torch.from_numpy(embeddings)[None], crops=crops)


def read(width: int, crops: list[tuple[str, np.ndarray]]) -> Any:
    """A prefix of crops' tokens, a newline behind each."""
    rows = [row for _, tokens in crops for row in (*tokens, np.full(width, 0.5))]
    return prefix(np.array(rows, np.float32), [(level, i) for i, (level, _) in enumerate(crops)])


@pytest.mark.parametrize("shape", [(12, 40), (60, 7)])
def test_the_shrinkage_is_scikit_learns(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).normal(size=shape) * np.linspace(1, 3, shape[1])
    centred = values - values.mean(0)
    assert ledoit_wolf(centred) == pytest.approx(LedoitWolf(assume_centered=True).fit(centred).shrinkage_)


def test_with_all_directions_kept_the_distance_is_mahalanobis_of_the_shrunk_covariance() -> None:
    made = np.random.default_rng(4)
    values, others = made.normal(size=(80, 6)) @ made.normal(size=(6, 6)), made.normal(size=(5, 6))
    shape = Shape.of(values)
    scaled = (values - shape.center) / shape.scale
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(scaled).covariance_)
    away = (others - shape.center) / shape.scale
    plain = [np.sqrt(one @ precision @ one / 6) for one in away]
    assert shape.distance(others) == pytest.approx(plain)


def test_the_variance_is_kept_whole_and_there_is_no_direction_for_every_picture() -> None:
    values = pictures(40)[:, 1:]
    shape = Shape.of(values)
    assert len(shape.along) == 10  # one for four of 40
    assert shape.directions @ shape.directions.T == pytest.approx(np.eye(10))
    total = (((values - shape.center) / shape.scale) ** 2).sum() / 40
    assert shape.along.sum() + shape.across * (values.shape[1] - 10) == pytest.approx(total)


def test_nearly_all_real_ones_pass_and_what_lies_elsewhere_does_not(familiar: Familiar) -> None:
    question = "Where is the lung?"
    others = pictures(301)[60:]  # drawn alike
    strange = [bool(familiar.strange(one.tolist(), question)) for one in others]
    assert np.mean(strange) < 0.06
    away = others.copy()
    away[:, 1:] += RANDOM.normal(0, 4, away[:, 1:].shape)  # outside of the four directions
    assert all(familiar.strange(one.tolist(), question) for one in away)


def test_every_kind_of_strangeness_has_its_reason(familiar: Familiar) -> None:
    one, question = pictures(60)[0].tolist(), "Where is the lung?"
    assert familiar.strange(one, question) == ()
    assert familiar.strange(None, question) == (NO_PICTURE,)
    assert familiar.strange([0.0, *one[1:]], question) == (CONSTANT,)
    assert familiar.strange(one[:-5], question) == (OTHER_FEATURES,)
    assert "unlike" in familiar.strange([one[0], *[float("nan")] * 40], question)[0]
    assert "(2 of 2)" in familiar.strange(one, "Is there rain in the garden?")[0]
    assert familiar.strange(one, "2 + 2?") == ("no word of the question says what is asked",)
    assert len(familiar.strange(None, "Did they win the football match?")) == 2


def test_a_limit_is_not_passed_by_more_than_one_in_a_hundred() -> None:
    assert limit(list(range(1000))) == 990
    assert limit([1.0, 5.0, 2.0]) == 5.0


def test_words_of_one_picture_are_left_out_together() -> None:
    """Each picture's questions have a word of their own: left out with it, that word is unknown in every one."""
    questions = [f"{form} the organ{'abcdefghijkl'[i]}?" for i in range(12) for form in ("Locate", "Measure")]
    by_picture = Familiar.fit(pictures(12), questions, [i // 2 for i in range(24)])
    by_wording = Familiar.fit(pictures(12), questions)
    assert by_picture.strangest == 0.5
    assert by_wording.strangest <= by_picture.strangest


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Are the lungs and kidneys normal?", {"lung", "kidney", "normal"}),
        ("Abnormalities of the MASS?", {"abnormality", "mass"}),
        ("Is it? 2 + 2 = x", set()),
    ],
)
def test_the_words_that_tell_what_is_asked(question: str, words: set[str]) -> None:
    assert content(question) == words


@given(st.text())
def test_any_text_has_words_or_none(question: str) -> None:
    assert all(len(word) > 1 for word in content(question))


def test_it_comes_back_from_json_small_and_the_same(familiar: Familiar) -> None:
    written = json.dumps(familiar.to_dict())
    again = Familiar.from_dict(json.loads(written))
    assert (again.words, again.boxes, again.strangest) == (familiar.words, familiar.boxes, familiar.strangest)
    values = pictures(30)[:, 1:]
    assert again.shape.distance(values) == pytest.approx(familiar.shape.distance(values), rel=1e-5)
    wide = Familiar.fit(pictures(90, 6 * WIDTH), QUESTIONS)
    assert len(json.dumps(wide.to_dict())) < 60_000


def test_no_word_and_no_picture_is_kept(familiar: Familiar) -> None:
    written = json.dumps(familiar.to_dict())
    assert not [organ for organ in ORGANS if organ in written]
    kept = np.vstack([familiar.shape.directions, familiar.shape.center[None], familiar.shape.scale[None]])
    values = pictures(60)[:, 1:]
    distances = np.abs(kept[:, None] - values[None]).mean(-1)
    assert distances.min() > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"center": ""},
        {"along": "AAAAAA=="},
        {"farthest": float("nan")},
        {"words": "#"},
        {"words": ""},
        {"scale": None},
        {"across": 0},
    ],
)
def test_a_broken_one_is_refused(familiar: Familiar, wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Familiar.from_dict({**familiar.to_dict(), **wrong})


def test_too_few_and_misshapen_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        Familiar.fit(pictures(5), QUESTIONS)
    with pytest.raises(ValueError, match="at least 8"):
        Familiar.fit(pictures(1).repeat(20, 0), QUESTIONS)  # one picture again and again
    with pytest.raises(ValueError, match="finite"):
        Familiar.fit(np.full((20, 5), np.nan), QUESTIONS)
    with pytest.raises(ValueError, match="3 images"):
        Familiar.fit(pictures(20), QUESTIONS, [1, 2, 3])


def test_features_are_the_plain_statistics_of_tokens_without_newlines() -> None:
    made = np.random.default_rng(7)
    crops = [("low", made.normal(size=(4, 6))), *[("medium", made.normal(size=(2, 6))) for _ in range(3)]]
    told = features(read(6, crops))
    assert told is not None
    tokens = np.concatenate([one for _, one in crops[1:]])
    low = crops[0][1]
    assert told[1:] == pytest.approx([*low.mean(0), *low.std(0), *tokens.mean(0), *tokens.std(0)], abs=1e-6)
    means = np.array([one.mean(0) for _, one in crops[1:]])
    assert told[0] == pytest.approx(means.var(0).sum() / (tokens**2).mean(0).sum(), abs=1e-6)


def test_crops_that_look_alike_have_no_spread_and_no_picture_has_no_features() -> None:
    same = np.random.default_rng(8).normal(size=(2, 5))
    told = features(read(5, [("medium", same), ("medium", same)]))
    assert told is not None
    assert told[0] == pytest.approx(0, abs=1e-12)
    assert features(prefix(np.zeros((0, 5), np.float32), [])) is None


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400))
def test_a_sketch_is_linear_narrow_and_takes_every_dimension_once(width: int) -> None:
    each = np.array([sketched(row) for row in np.eye(width)])
    assert each.shape == (width, min(width, WIDTH))
    assert (np.abs(each).sum(1) == 1).all()
    values = np.arange(width, dtype=float)
    assert sketched(values) == pytest.approx(values @ each)
