"""A summary as benchmarks.summary makes it, written by hand: small, complete, and with hostile words in it."""

from __future__ import annotations

from typing import Any

SCRIPT = "<script>alert('x')</script>"
LATEX = r"50 % of $x_1$ & {#2} \input{secret} ~^"


def group(numerator: float, denominator: int, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    percent = 100 * numerator / denominator if denominator else None
    counts = {"unparsed": 0, "left_out": 0, "clusters": min(denominator, 7)}
    numbers = {"numerator": numerator, "denominator": denominator, "percent": percent, "low": low, "high": high}
    return {"metric": "accuracy", **counts, **numbers, **more}


def no_number() -> dict[str, Any]:
    return group(0, 0, None, None, metric=None)


def fitted(shift: float) -> dict[str, Any]:
    """Calibrated confidences as benchmarks.calibration has them, all of one bin, moved by `shift`."""
    value = {"value": 0.0625 + shift, "low": 0.03125, "high": 0.125}
    change = {"value": -0.25 + shift, "low": -0.375, "high": -0.125}
    one = {"low": 0.5, "high": 0.6, "count": 49, "confidence": 0.53125 + shift, "accuracy": 0.52}
    return {
        "splits": 5,
        **dict.fromkeys(("ece", "brier", "nll"), value),
        "raw_ece": {"value": 0.3125, "low": 0.21, "high": 0.4},
        "difference": dict.fromkeys(("ece", "brier", "nll"), change),
        "bins": [one | {"accuracy_low": 0.4, "accuracy_high": 0.64}],
    }


def summary() -> dict[str, Any]:
    """Every part is there. The task is slake test, so that published figures may be compared."""
    share = {"numerator": 31, "denominator": 50, "clusters": 7, "percent": 62.0, "low": 51.2, "high": 70.3}
    exact = {
        "open": group(20, 40, 38.25, 61.5),
        "closed": group(31, 60, 40.0, 63.0, unparsed=3),
        "overall": group(51, 100, 42.0, 60.0, unparsed=3),
    }
    recall = {
        "open": group(22.75, 40, 44.4, 69.1, metric="token recall"),
        "closed": group(33, 55, 47.9, 71.8, left_out=5),
        "overall": no_number(),
    }
    difference = {"difference": -2.5, "low": -7.5, "high": 2.25, "wins": 3, "losses": 4, "count": 40, "clusters": 7}
    missing = {"difference": None, "low": None, "high": None, "wins": 0, "losses": 0, "count": 0, "clusters": 0}
    return {
        "task": "slake",
        "split": "test",
        "model": {"name": f"mini {LATEX} {SCRIPT}", "hash": "f72d80b5dca66eade498"},
        "data": {"name": "slake", "source": "https://example.org/slake", "licence": None},
        "partial": None,
        "warnings": [f"2 predictions have unknown ids {SCRIPT}."],
        "scores": {
            "questions": 1102,
            "unscored": 2,
            "untagged": 0,
            "clusters": "image",
            "interval": {"level": 0.95, "method": "percentile cluster bootstrap", "resamples": 10000, "seed": 0},
            "protocols": {
                "normalised_exact_match": {
                    "protocol": "normalised_exact_match",
                    "title": "normalised exact match",
                    "source": "MedFly",
                    "notes": {},
                    "groups": exact,
                },
                "llava_med_run_eval": {
                    "protocol": "llava_med_run_eval",
                    "title": "LLaVA-Med run_eval",
                    "source": "microsoft/LLaVA-Med",
                    "notes": {"the released script ends with an error here; scored 0": 4},
                    "groups": recall,
                },
            },
        },
        "subgroups": {
            "protocol": "normalised_exact_match",
            "smallest": 20,
            "by": {
                "organ": [
                    {"label": "Lung", "small": False, **group(44, 88, 41.75, 58.125)},
                    {"label": "[Heart] | *left*", "small": True, **group(7, 12, None, None)},
                ]
            },
            "several": {"organ": 6},
        },
        "calibration": {
            "protocol": "normalised_exact_match",
            "note": "the model's confidence in its own words; not a probability of disease",
            "count": 98,
            "without_confidence": 2,
            "left_out": 0,
            "accuracy": 0.515,
            "mean_confidence": 0.8125,
            "ece": {"value": 0.2975, "low": 0.213, "high": 0.381},
            "brier": {"value": 0.3125, "low": None, "high": None},
            "aurc": 0.444,
            "bins": [
                {"low": 0.0, "high": 0.5, "count": 0, "confidence": None}
                | dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high")),
                {"low": 0.5, "high": 1.0, "count": 98, "confidence": 0.8125}
                | {"accuracy": 0.515, "accuracy_low": 0.41, "accuracy_high": 0.62},
            ],
            "risk_coverage": [
                {"coverage": 0.5, "risk": 0.25, "threshold": 0.9},
                {"coverage": 1.0, "risk": 0.485, "threshold": 0.5},
            ],
            "nll": {"value": 0.7125, "low": 0.611, "high": 0.833},
            "deferral": "scores are taken with deferral off: every answer counts, however unsure",
            "selective": [
                {"coverage": 1.0, "kept": 1.0, "count": 98, "threshold": 0.125}
                | {"accuracy": 0.515, "low": 0.43, "high": 0.62},
                {"coverage": 0.5, "kept": 0.51, "count": 50, "threshold": 0.875}
                | {"accuracy": 0.75, "low": None, "high": None},
            ],
            "risks": [
                {"risk": 0.05, "level": 0.95, "threshold": None, "halves": 10, "found": 0, "coverage": None}
                | dict.fromkeys(("risk_found", "low", "high")),
                {"risk": 0.2, "level": 0.95, "threshold": 0.9375, "halves": 10, "found": 7, "coverage": 0.345}
                | {"risk_found": 0.164, "low": 0.112, "high": 0.231},
            ],
            "calibrated": {"temperature": fitted(0.0), "isotonic": fitted(0.015625)},
            "not_fitted": None,
        },
        "contamination": {
            "training": ["slake train"],
            "images": 96,
            "not_compared": 1,
            "shared_images": 3,
            "questions": 1102,
            "shared_questions": None,
            "sentence": "3 of 96 images are also in slake train",
            "findings": [
                {"severity": "error", "kind": "same_image", "where": "slake train", "message": f"found {SCRIPT}"}
                | {"count": 3, "examples": ["xmlab1"]}
            ],
            "clean": group(40, 81, 39.5, 59.625),
        },
        "audit": {
            "protocol": "normalised_exact_match",
            "conditions": {"as_is": exact, "blank": {**exact, "open": group(9, 40, 11.0, 35.5)}},
            "survive": {"blank": share},
            "differences": {"as_is minus blank": {"open": difference, "closed": difference, "overall": missing}},
        },
        "published": [],
        "manifest": {
            "task": "slake",
            "prompt": {"name": SCRIPT, "version": "1"},
            "made": [{"command": ["medfly", "eval", "--model", "mini"], "versions": {"torch": None}, "notes": []}],
        },
    }
