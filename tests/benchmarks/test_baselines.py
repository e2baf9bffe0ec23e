"""Baselines against counts made by hand and, where SLAKE is at hand, against the published majority figure."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from benchmarks.baselines import QuestionOnlyMajority, blank_images, noise_images, shuffled_images
from benchmarks.protocols.exact import NORMALISED
from benchmarks.results import Result
from benchmarks.scores import score
from benchmarks.tasks import get_task
from data_adapters.slake import Slake
from medfly.types import InputError, Sample, Scan

from .conftest import MemoryLoader, make_samples

SLAKE = Path(__file__).resolve().parents[3] / "shared" / "datasets" / "slake"
LOADER = MemoryLoader(0.0)


def ask(question: str, answer: str | None = None, tag: str | None = "OPEN") -> Sample:
    return Sample(0, "a", question, LOADER, answer, tag)


def test_majority_by_hand() -> None:
    training = [
        ask("Which organ?", "Lung"),
        ask("which  organ?", "lung."),
        ask("Which organ?", "Heart"),
        ask("Tie?", "B"),
        ask("Tie?", "A"),
        ask("Is it?", "No", "CLOSED"),
        ask("Was it?", "No", "CLOSED"),
        ask("Is it?", "Yes", "CLOSED"),
        ask("Is it?", "Yes", "CLOSED"),
        ask("Was it?", "No", "CLOSED"),
        *[ask("Which organ?", empty) for empty in ("", None, " ")] * 5,
    ]
    majority = QuestionOnlyMajority.fit(training)
    asked = [
        ask("WHICH ORGAN?"),
        ask("Tie?"),
        ask("Is it?", tag="CLOSED"),
        ask("New?", tag="CLOSED"),
        ask("New?"),
        ask("New?", tag=None),
    ]
    assert [a.text for a in majority(asked)] == ["Lung", "B", "Yes", "No", "Lung", ""]
    assert [a.question for a in majority(asked)] == [s.question for s in asked]
    assert majority.hash == QuestionOnlyMajority.fit(training).hash
    assert majority.hash != QuestionOnlyMajority.fit(training[1:5]).hash


def test_majority_without_training_answers_is_refused() -> None:
    with pytest.raises(InputError, match="no training answers"):
        QuestionOnlyMajority.fit([ask("Which organ?", "")])


@settings(max_examples=60, deadline=None)
@given(images=st.integers(2, 12), questions=st.integers(1, 3), seed=st.integers(0, 1000))
def test_shuffling_is_a_derangement_of_images(images: int, questions: int, seed: int) -> None:
    samples = make_samples(images, questions)
    shuffled = shuffled_images(samples, seed)
    assert [replace(a, scan=b.scan) for a, b in zip(shuffled, samples, strict=True)] == samples
    assert all(a.scan.content_hash != b.scan.content_hash for a, b in zip(shuffled, samples, strict=True))
    assert len({(s.image, s.scan.content_hash) for s in shuffled}) == images  # one image, one other scan
    assert Counter(s.scan.content_hash for s in shuffled) == Counter(s.scan.content_hash for s in samples)
    assert shuffled_images(samples, seed) == shuffled


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(0, 4), min_size=2, max_size=10), seed=st.integers(0, 50))
def test_shuffling_counts_equal_files_as_one_image(values: list[int], seed: int) -> None:
    samples = [Sample(i, f"img{i}", "?", MemoryLoader(v)) for i, v in enumerate(values)]
    if 2 * max(Counter(values).values()) > len(values):
        with pytest.raises(InputError, match="take more questions"):
            shuffled_images(samples, seed)
    else:
        shuffled = shuffled_images(samples, seed)
        assert all(a.scan != b.scan for a, b in zip(shuffled, samples, strict=True))


def test_seeds_differ_and_one_image_is_refused() -> None:
    samples = make_samples(12, 1)
    assert len({tuple(s.scan.content_hash for s in shuffled_images(samples, seed)) for seed in range(5)}) > 1
    with pytest.raises(InputError, match="found 1 images"):
        shuffled_images(make_samples(1, 3))


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_blank_images_show_nothing(colour: bool, inverted: bool) -> None:
    sample = Sample(1, "a", "?", MemoryLoader(77.0, colour), "yes", "CLOSED")
    (blank,) = blank_images([sample])
    assert replace(blank, scan=sample.scan) == sample
    real, scan = sample.scan(), pickle.loads(pickle.dumps(blank.scan))()
    assert (scan.pixels.shape, scan.pixels.dtype) == (real.pixels.shape, real.pixels.dtype)
    assert (scan.spacing, scan.modality, scan.padding) == (real.spacing, real.modality, None)
    picture = replace(scan, inverted=inverted).display()
    assert picture.shape == (4, 6, 3) and np.unique(picture).tolist() == [128]
    assert len({blank.scan.content_hash, scan.input_hash, sample.scan.content_hash}) == 2  # blank ones equal
    assert blank.scan.content_hash == scan.input_hash


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_noise_images_show_noise_alone(colour: bool, inverted: bool) -> None:
    """Even from black to white, pixel by pixel; fixed by the seed and the source's content, and by nothing else."""
    loader = WideLoader(77.0, colour)
    sample = Sample(1, "a", "?", loader, "yes", "CLOSED")
    (noise,), (other_seed,) = noise_images([sample]), noise_images([sample], seed=1)
    (other_source,) = noise_images([replace(sample, scan=WideLoader(78.0, colour))])
    assert replace(noise, scan=loader) == sample
    real, scan = loader(), pickle.loads(pickle.dumps(noise.scan))()
    assert (scan.pixels.shape, scan.pixels.dtype) == (real.pixels.shape, real.pixels.dtype)
    assert (scan.spacing, scan.modality, scan.padding, scan.notes) == (real.spacing, "CT", None, ("noise image",))
    picture = replace(scan, inverted=inverted).display()
    shown = picture if colour else picture[..., 0]
    assert kstest(shown.ravel() / 255, "uniform").statistic < 0.02
    channels = picture.reshape(-1, 3).T.astype(float)
    expected = np.eye(3) if colour else np.ones((3, 3))  # grey has three equal channels
    np.testing.assert_allclose(np.corrcoef(channels), expected, atol=0.05)
    assert abs(np.corrcoef(shown[:-1].ravel(), shown[1:].ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(scan.pixels, noise.scan().pixels)
    hashes = {one.scan.content_hash for one in (sample, noise, other_seed, other_source, *blank_images([sample]))}
    assert len(hashes) == 5 and noise.scan.content_hash == scan.input_hash
    for other in (other_seed, other_source):
        assert not np.array_equal(other.scan().pixels, scan.pixels)


@dataclass(frozen=True)
class WideLoader(MemoryLoader):
    """The same with 160 × 120 pixels."""

    def __call__(self) -> Scan:
        scan = super().__call__()
        return replace(scan, pixels=np.resize(scan.pixels, (120, 160, *scan.pixels.shape[2:])), padding=None)


def test_loaders_are_picklable_and_keep_their_hash() -> None:
    samples = make_samples()
    for sample in [*blank_images(samples), *noise_images(samples), *shuffled_images(samples)]:
        again = pickle.loads(pickle.dumps(sample))
        assert again == sample and again.scan.content_hash == sample.scan.content_hash


def slake(split: str) -> list[Sample]:
    if not SLAKE.is_dir():
        pytest.skip("SLAKE is not here")
    return get_task("slake").samples(Slake(SLAKE), split)


def test_majority_on_slake_validate() -> None:
    """596 of 1,053 = 56.6 %; see the next test for the 56.2 % of protocols.md."""
    validate = slake("validate")
    majority = QuestionOnlyMajority.fit(slake("train"))
    said = list(majority(validate))
    results = [Result(s, a.text) for s, a in zip(validate, said, strict=True)]
    groups = score(results, NORMALISED, "slake")["groups"]
    assert {name: (g["numerator"], g["denominator"], g["clusters"]) for name, g in groups.items()} == {
        "open": (324, 631, 96),
        "closed": (272, 422, 96),
        "overall": (596, 1053, 96),
    }


@pytest.mark.parametrize(
    ("fold", "right", "percent"),
    [
        (str.lower, 592, 56.2),  # protocols.md's figure: lower case alone
        (lambda text: " ".join(text.lower().split()), 596, 56.6),  # its rule: repeated white space goes, too
    ],
)
def test_where_the_published_majority_comes_from(fold: Callable[[str], str], right: int, percent: float) -> None:
    """The same baseline counted straight from the files, by a few lines that share no code with the package.

    Some gold answers are "Transverse  Plane" with two spaces. Kept apart from "Transverse Plane" they win one
    question's count and then miss 4 questions; the rule that protocols.md defines folds the two together.
    """
    if not SLAKE.is_dir():
        pytest.skip("SLAKE is not here")
    train, validate = (
        [row for row in json.loads((SLAKE / f"{split}.json").read_text("utf-8")) if row["q_lang"] == "en"]
        for split in ("train", "validate")
    )
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in train:
        for key in (("question", fold(row["question"])), ("type", row["answer_type"])):
            counts.setdefault(key, Counter())[fold(row["answer"])] += 1
    hits = 0
    for row in validate:
        seen = counts.get(("question", fold(row["question"]))) or counts["type", row["answer_type"]]
        hits += seen.most_common(1)[0][0] == fold(row["answer"])
    assert (hits, round(100 * hits / len(validate), 1)) == (right, percent)
