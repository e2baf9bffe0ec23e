"""A model taught planted truth in minutes answers from the picture; where only a high crop can show the cause, its
evidence finds it and follows it.

Measured once with another 60 images, in points above the rival: accuracy 38 (29 to 46); for the marker, hits above
random 71 (56 to 83), above the best crop that is always named for its questions 25 (8 to 41), and with the cause moved
62 (47 to 76) above random. Not asserted, as it is not so: that the high crops find nodules and pacemakers, which it
sees at the coarser levels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchmarks.phantoms.__main__ import main as make
from benchmarks.phantoms.design import design
from benchmarks.phantoms.pointing import EVIDENCE, point
from benchmarks.phantoms.scored import OVERALL, summary
from medfly import MedFly, load
from medfly.cli.train import run

RECIPE = Path(__file__).parents[2] / "benchmarks" / "recipes" / "phantoms.yaml"
TOPICS = "nodule", "catheter", "pacemaker", "marker"
IMAGES, OTHER_SEED = 40, 4
SLACK = 0.1


@pytest.fixture(scope="module")
def fly(tmp_path_factory: pytest.TempPathFactory) -> MedFly:
    folder = tmp_path_factory.mktemp("phantoms")
    made = ["--output_path", str(folder / "data"), "--images", "2000", "--seed", "3", "--topics", *TOPICS]
    assert make(made) == 0
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    recipe["data"][0]["folder"] = str(folder / "data")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    return load(str(run(folder / "recipe.yaml", folder / "run", Console(stderr=True))))


@pytest.mark.slow
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_evidence_finds_the_cause_and_moves_with_it(fly: MedFly, evidence: str) -> None:
    planned = design(IMAGES, OTHER_SEED, topics=TOPICS)
    found = summary([one for rows in point(fly, planned, EVIDENCE[evidence]) for one in rows])
    for topic in ("nodule", "catheter", "pacemaker", "marker"):
        assert low(found, topic, "above_majority") > 0
    assert low(found, OVERALL, "above_majority") > SLACK
    assert low(found, "marker", "above_random") > 3 * SLACK and low(found, "marker", "above_fixed") > 0
    assert low(found, "marker", "moved_above_random") > SLACK
    assert found["marker"]["stayed"] < SLACK


def low(found: dict[str, dict[str, Any]], topic: str, what: str) -> float:
    """The lower end of the interval."""
    value = found[topic][what]["low"]
    assert value is not None
    return value
