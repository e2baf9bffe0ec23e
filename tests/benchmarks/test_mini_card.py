"""The whole card with a small real model that looks at pixels and has levels, against what it must then score."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks import mini_card
from medfly.types import Answer, InputError, Level, Sample

from .conftest import make_samples


class Looker:
    """Names the image from its pixel value if it may use the low level; says Yes to everything closed."""

    name, hash = "looker", "l1"

    def __init__(self) -> None:
        self.calls: list[tuple[Level, ...]] = []

    def answer(
        self, samples: Iterable[Sample], *, levels: Sequence[Level] = ("low", "medium", "high")
    ) -> Iterator[Answer]:
        self.calls.append(tuple(levels))
        for sample in samples:
            if sample.answer_type == "CLOSED":
                yield Answer(sample.question, "yes")
            elif "low" in levels:
                yield Answer(sample.question, f"image {sample.scan().pixels[0, 0]:.0f}")
            else:
                yield Answer(sample.question, "cannot see")


def test_card_by_hand(tmp_path: Path) -> None:
    samples, fly = make_samples(), Looker()
    card = mini_card.measure(fly, samples, samples, tmp_path)
    found = {n: tuple(groups[g]["numerator"] for g in ("open", "closed")) for n, groups in card["conditions"].items()}
    # 4 open and 8 closed questions; half of the closed ones are Yes. The majority names the first image only.
    assert found == {
        "as_is": (4, 4),
        "blank": (1, 4),  # the blank's 0.5 is read as "image 0", which is right for one of the four
        "noise": (1, 4),  # between 0 and 1, and so read as "image 0" or "image 1": here once by luck
        "shuffled": (0, 4),  # every image is another's
        "without_low": (0, 4),
        "without_medium": (4, 4),
        "without_high": (4, 4),
        "majority": (1, 4),
    }
    assert set(fly.calls) == {("low", "medium", "high"), ("medium", "high"), ("low", "high"), ("low", "medium")}
    shuffled = card["differences"]["as_is minus shuffled"]
    assert shuffled["open"]["difference"] == 100 and shuffled["closed"]["difference"] == 0
    majority = card["differences"]["as_is minus majority"]
    assert majority["open"]["difference"] == 75 and majority["overall"]["count"] == 12
    types = {t: (g["as_is"]["numerator"], g["as_is"]["denominator"]) for t, g in card["by_content_type"].items()}
    assert types == {"Size": (4, 8), "Organ": (4, 4)}
    assert json.loads(json.dumps(card)) == card

    hashes = {n: json.loads((tmp_path / n / "slake_validate" / "run.json").read_text())["model"]["hash"] for n in found}
    assert len(set(hashes.values())) == 5  # whole, three with a level masked out, majority
    assert hashes["as_is"] == hashes["shuffled"] == hashes["blank"] == hashes["noise"] == "l1"

    fly.calls.clear()
    assert mini_card.measure(fly, samples, samples, tmp_path) == card
    assert fly.calls == []  # resumed: nothing was asked again


def test_markdown_holds_the_numbers(tmp_path: Path) -> None:
    samples = make_samples()
    text = mini_card.markdown(mini_card.measure(Looker(), samples, samples, tmp_path))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    cells = {row[0]: row[1:] for row in rows}
    assert cells["as is"][:3] == ["100.0", "50.0", "66.7"] and cells["as is"][4] == "8/12"
    assert cells["without low"][:3] == ["0.0", "50.0", "33.3"]
    assert cells["as is minus shuffled"][:3] == ["100.0", "0.0", "33.3"] and cells["as is minus shuffled"][4] == "4 / 0"
    assert cells["Organ"][0] == "100.0" and cells["Organ"][3] == "25.0"


def test_another_model_is_not_mixed_in(tmp_path: Path) -> None:
    samples, other = make_samples(), Looker()
    mini_card.measure(Looker(), samples, samples, tmp_path)
    other.hash = "l2"
    with pytest.raises(InputError, match="found model hash 'l1', expected 'l2'"):
        mini_card.measure(other, samples, samples, tmp_path)


def test_command_reports_wrong_folder_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("data_adapters.slake", reason="the adapter is being written")
    options = ["--model", "mini", "--data", "nowhere", "--train_data", "nowhere", "--output_path", str(tmp_path)]
    assert mini_card.main(options) == 2
    out, err = capsys.readouterr()
    assert out == "" and "nowhere" in err and list(tmp_path.iterdir()) == []
