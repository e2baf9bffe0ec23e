"""The page of runs, run by Streamlit's own tester: a run of a tiny model over pictures of noise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import medfly
from app.runs.folder import open_run
from app.runs.state import State
from app.texts import LANGUAGES, table

from .made_runs import SAID, make_run

ENGLISH = table("en")


def script(language: str) -> None:
    from app import runs
    from app.texts import table

    runs.page(table(language))


def opened(place: tuple[Path, Path | None], monkeypatch: pytest.MonkeyPatch, language: str = "en") -> AppTest:
    folder, data = place
    monkeypatch.setenv("MEDFLY_RUNS", str(folder))
    if data is not None:
        monkeypatch.setenv("MEDFLY_DATA", str(data))
    return AppTest.from_function(script, args=(language,), default_timeout=60).run()


@pytest.fixture(scope="module")
def spoken_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, data = make_run(tmp_path_factory.mktemp("spoken"))
    return folder.parent, data


@pytest.fixture
def page(spoken_run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return opened(spoken_run, monkeypatch)


def html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def words(page: AppTest) -> str:
    return " ".join(element.value for element in page.markdown).replace("\\", "")


def state(page: AppTest) -> State:
    (found,) = page.session_state["medfly-runs-state"].values()
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_outcomes_and_the_surest_open(
    spoken_run: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    page = opened(spoken_run, monkeypatch, language)
    texts = table(language)  # type: ignore[arg-type]
    assert not page.exception and not page.error
    assert f"{texts['runs.right']}, 3 {texts['runs.wrong']}" in words(page)
    rows = page.dataframe[0].value
    assert list(rows[texts["runs.predicted"]]) == [SAID[number] for number in (5, 0, 1, 2, 4, 3)]
    assert state(page).number == 5 and "Is the lung healthy?" in html(page)
    assert texts["runs.expected_line"].format(answer="Yes") in html(page)


def test_filter_steps_and_orders(page: AppTest) -> None:
    page.button_group(key="medfly-runs-outcome").set_value(["wrong"]).run()
    assert "3 of 6 questions" in words(page) and len(page.dataframe[0].value) == 3
    page.button(key="medfly-runs-next").click().run()
    assert state(page).number == 2 and "Where is the liver?" in html(page)
    page.text_input(key="medfly-runs-words").set_value("lung").run()
    assert state(page).number == 5  # what was open is not among those shown
    group = next(one for one in page.multiselect[0].options if one.startswith("content type: Position"))
    page.multiselect[0].set_value([group]).run()
    assert not page.dataframe and "No question fits" in page.info[0].value.replace("\\", "")
    page.text_input(key="medfly-runs-words").set_value("").run()
    assert [*page.dataframe[0].value[ENGLISH["runs.predicted"]]] == ["Right"]
    assert not page.exception and not page.error


def test_a_label_corrected_exported_and_taken_back(page: AppTest) -> None:
    assert not page.get("download_button")
    page.text_input(key="medfly-runs-answer-5").set_value("  No ")
    page.button[-1].click().run()
    assert not page.exception and not page.error
    assert state(page).corrections[5].answer == "No" and "corrected: No" in words(page)
    assert len(page.get("download_button")) == 1
    page.button(key="medfly-runs-take_back-5").click().run()
    assert not state(page).corrections and not page.get("download_button")
    page.text_input(key="medfly-runs-answer-5").set_value(" ")
    page.button[-1].click().run()
    assert "empty answer" in page.error[0].value and not page.exception
    page.checkbox(key="medfly-runs-no_right-5").check()
    page.button[-1].click().run()
    assert state(page).corrections[5].answer is None


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_RUNS", raising=False)
    monkeypatch.delenv("MEDFLY_DATA", raising=False)
    none = AppTest.from_function(script, args=("en",)).run()
    _one_line(none, "No run was given")
    _one_line(opened((tmp_path, None), monkeypatch), "Found no run in the folder given")
    folder, data = make_run(tmp_path)
    _one_line(opened((folder, None), monkeypatch), "no data folder")
    _one_line(opened((folder, tmp_path / "nowhere"), monkeypatch), "no such folder")
    other = make_run(tmp_path / "other", images=2)[1]
    _one_line(opened((folder, other), monkeypatch), "not those of slake validate")
    assert not opened((folder, data), monkeypatch).error


def _one_line(page: AppTest, told: str) -> None:
    assert not page.exception and len(page.error) == 1 and not page.dataframe
    line = page.error[0].value.replace("\\", "")
    assert told in line and "expected" in line and "\n" not in line


def test_a_picture_that_is_gone_leaves_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, data = make_run(tmp_path)
    (data / "slake" / "imgs" / "xmlab2" / "source.jpg").unlink()
    page = opened((folder, data), monkeypatch)
    assert not page.exception and state(page).number == 5
    assert "1 of 3 images are gone" in page.warning[0].value.replace("\\", "")
    assert "no picture" in page.error[0].value.replace("\\", "") and "Is the lung healthy?" in html(page)
    assert not [button for button in page.button if button.key == "medfly-runs-explain"]


def test_evidence_on_demand_of_the_runs_own_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that comes with its crops is the run's, word for word."""
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    fly = medfly.load(str(tiny_model))
    answer = lambda samples: fly.answer(samples, batch_size=1)  # noqa: E731
    page = opened(make_run(tmp_path, answer, images=1, model_hash=fly.hash), monkeypatch)
    assert "data-medfly-crop=" not in html(page)
    page.button(key="medfly-runs-explain").click().run()
    if state(page).job is not None:  # else it had ended while the page was drawn
        assert state(page).job.wait(60)
        page.run()
    assert not page.exception and not page.error
    number = state(page).number
    run = open_run(Path(str(tmp_path / "runs" / "slake_validate")), tmp_path / "data")
    found = state(page).asked[number]
    assert found.text == run.results[number].prediction.strip()
    assert found.confidence == pytest.approx(run.results[number].confidence, abs=1e-5)
    assert html(page).count("data-medfly-crop=") == 3
    page.toggle(key="medfly-runs-heat").set_value(True).run()
    assert not page.exception and not page.error
    page.toggle(key="medfly-runs-judge").set_value(True).run()
    assert "no calibration" in page.info[0].value and not page.error


def test_evidence_of_another_model_is_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    page = opened(make_run(tmp_path, images=1), monkeypatch)
    page.button(key="medfly-runs-explain").click().run()
    job = state(page).job
    assert job is not None and job.wait(60)
    page.run()
    assert "The run is of model spoken" in page.error[0].value.replace("\\", "")
    assert not state(page).asked and not page.exception
    page.toggle(key="medfly-runs-judge").set_value(True).run()
    _one_line_of(page, "The run is of model spoken")


def _one_line_of(page: AppTest, told: str) -> None:
    assert not page.exception and told in page.error[0].value.replace("\\", "")


def test_a_run_that_kept_its_evidence_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, data = make_run(tmp_path)
    path = folder / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    region = {"level": "high", "crop": 3, "box": [24, 0, 32, 8], "score": 0.5}
    for row in rows:
        row["evidence"] = {"method": "gradients", "regions": [region]}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = opened((folder, data), monkeypatch)
    assert not page.exception and not page.error
    assert 'data-medfly-crop="high-3"' in html(page)
    assert not [button for button in page.button if button.key == "medfly-runs-explain"]
