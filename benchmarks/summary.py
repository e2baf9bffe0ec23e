"""One evaluation in one dict: what scores.json holds, and what tables and the page are made from.

It brings the parts together, each made by a module of its own, and computes nothing. Keys: task, split, model (name
and hash), data (name, source, licence), partial (a sentence, or None), warnings (sentences), scores
(benchmarks.scores.crosswalk), subgroups, calibration, contamination, audit (each as the module of its name says; None
where it was not asked for or could not be made), captions and grounding (in the place of scores, see summarise),
published (figures about this task), manifest (benchmarks.manifest; None where the predictions came without one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks import published
from benchmarks.calibration import calibration
from benchmarks.captions.scores import captions_report
from benchmarks.contamination import NOTHING, Contamination
from benchmarks.grounding import Counts, grounding_report
from benchmarks.protocols import RULES
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.rule import Rule
from benchmarks.results import Result
from benchmarks.scores import crosswalk, score_group
from benchmarks.subgroups import subgroups
from benchmarks.tasks import Task
from data_adapters.check import ROLES
from data_adapters.slake_boxes import SlakeBoxes
from medfly.types import InputError

if TYPE_CHECKING:
    from data_adapters.dataset import DataSet

PARTS = ("scores", "subgroups", "calibration", "audit", "captions", "grounding")
UNKNOWN = {"name": "unknown", "hash": None}


def summarise(
    results: Sequence[Result],
    task: Task,
    split: str,
    *,
    dataset: DataSet,
    model: Mapping[str, str | None] = UNKNOWN,
    manifest: Mapping[str, Any] | None = None,
    contamination: Contamination | None,
    audit: Mapping[str, Any] | None = None,
    partial: str | None = None,
    warnings: Sequence[str] = (),
    rules: Sequence[Rule] = RULES,
) -> dict[str, Any]:
    """All scores of these results, in JSON's types. Raises InputError for confidences that are none.

    Of a data set of captions, captions (benchmarks.captions.scores) stands in place of scores, subgroups, calibration
    and audit, which are None; of questions, captions is None. So does grounding (benchmarks.grounding) of a task that
    scores evidence.
    """
    split = task.split_of(split)
    about = {
        "task": task.name,
        "split": split,
        "model": dict(model),
        "data": {"name": dataset.name, "source": dataset.source, "licence": dataset.licence},
        "partial": partial,
        "warnings": [*warnings, *_warnings(dataset, split, contamination)],
        "published": published.load(dataset.name),
        "manifest": manifest,
    }
    if any("references" in result.sample.metadata for result in results):
        return {**about, **_without_scores(contamination), "captions": captions_report(results)}
    if task.evidence:
        return {**about, **_without_scores(contamination), "grounding": _grounding(results, dataset, split)}
    keys = task.group_keys(result.sample for result in results)
    return {
        **about,
        "contamination": None if contamination is None else contamination.to_dict(_clean(results, task, contamination)),
        "scores": crosswalk(results, task.name, rules),
        "subgroups": subgroups(results, NORMALISED, task.name, keys, several=task.several),
        "calibration": calibration(results, NORMALISED, task.name),
        "audit": audit,
        "captions": None,
        "grounding": None,
    }


def _without_scores(found: Contamination | None) -> dict[str, Any]:
    """The parts that are about answers to be right or wrong: none."""
    return {"contamination": None if found is None else found.to_dict(None), **dict.fromkeys(PARTS)}


def _grounding(results: Sequence[Result], dataset: DataSet, split: str) -> dict[str, Any]:
    """With the counts of every split that there is. The test split's are nobody's business before it is evaluated."""
    if not isinstance(dataset, SlakeBoxes):
        raise TypeError(f"a data set with boxes expected, got {dataset.name}")
    own = dataset.grounded(split)
    splits = [one for one in dataset.splits() if one == split or ROLES.get(one) != "test"]
    counts: Counts = {one: _counted(dataset, one) for one in splits}
    return grounding_report(results, counts, cut=(own.clipped, own.left_out))


def _counted(dataset: SlakeBoxes, split: str) -> Mapping[str, int] | None:
    try:
        return dataset.counts(split)
    except InputError:  # of another split than the one that is scored
        return None


def _warnings(dataset: DataSet, split: str, found: Contamination | None) -> list[str]:
    """What has to be known of the data themselves before a score is read."""
    warnings = []
    if ROLES.get(split.lower()) == "train":
        warnings.append(f"{split} is a training split: of a model that was trained on it, this is no score")
    if dataset.left_out:
        warnings.append(f"{dataset.left_out:,} rows at fault of the data set are left out, of all its splits together")
    return [*warnings, *([NOTHING] if found is None else [])]


def _clean(results: Sequence[Result], task: Task, found: Contamination) -> dict[str, Any] | None:
    """The score of the questions that are in no training data; None where that is all of them, or none."""
    clean = [result for result in results if found.is_clean(result.sample)]
    return score_group(clean, NORMALISED, task.name) if 0 < len(clean) < len(results) else None
