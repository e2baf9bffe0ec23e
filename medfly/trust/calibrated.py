"""calibration.json: what is needed to judge an answer by others whose truth was known, and the judgement.

It applies what benchmarks/ fitted, with numpy alone: no torch, no model, no picture. It belongs to one model in one
precision, by hash. What it does not know is whether the questions of today are like those that it was made with, but
for what Familiar can see; its risk and coverage hold for questions drawn as those were, about images drawn as those.

Sources. Selection by a threshold at a stated risk: Y. Geifman and R. El-Yaniv, "Selective Classification for Deep
Neural Networks", NeurIPS 2017. Sets of answers at a stated coverage: M. Sadinle, J. Lei and L. Wasserman, "Least
Ambiguous Set-Valued Classifiers with Bounded Error Levels", JASA 114 (2019) 223–234, split conformal as in V. Vovk et
al., "Algorithmic Learning in a Random World", 2005.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import medfly
from medfly.trust.curve import Curve
from medfly.trust.outside import Familiar
from medfly.types import InputError, Trust
from medfly.writing import whole

NAME = "calibration.json"
FORMAT = 1
T = TypeVar("T")


class CalibrationWarning(UserWarning):
    """A calibration lies beside a model and cannot be used for it."""


@dataclass(frozen=True)
class Fitted:
    """What a calibration was fitted on. data: the data set's name; rule: which answers count as right.

    questions, images: in all; with_options: of the questions, those whose answer set the coverage is about.
    """

    task: str
    split: str
    data: str
    rule: str
    questions: int
    images: int
    with_options: int


@dataclass(frozen=True)
class Calibration:
    """A model's calibration.

    model, model_hash, precision: of the model whose answers it was fitted on. curve: confidence → share right.
    risk: of the answers that are not deferred, at most this share should be wrong; threshold: least likely_right that
        keeps it, None where none does: then all is deferred.
    coverage: how often an answer set should hold the right answer; quantile: options whose probability is at least
        1 − quantile belong to it, None where there were no closed questions to fit it.
    version: the MedFly that made it.
    """

    model: str
    model_hash: str
    precision: str
    fitted: Fitted
    curve: Curve
    risk: float
    threshold: float | None
    coverage: float
    quantile: float | None
    familiar: Familiar
    version: str = medfly.__version__

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Raises InputError for a file that is none, or of another format."""
        try:
            told = json.loads(path.read_bytes())
        except OSError as error:
            raise _refusal(path, f"cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError):
            raise _refusal(path, "not JSON") from None
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            found = told.get("format") if isinstance(told, dict) else type(told).__name__
            raise _refusal(path, f"found format {str(found)[:20]!r}, not {FORMAT}")
        try:
            return _parsed(told)
        except KeyError as error:
            raise _refusal(path, f"no {error.args[0]}") from None
        except (ValueError, TypeError, AttributeError, IndexError, OverflowError, InputError) as error:
            raise _refusal(path, " ".join(str(error).split())[:200]) from None

    def write(self, path: Path) -> None:
        """The file whole or not at all. Raises OSError as writing does."""
        told = {
            "format": FORMAT,
            "note": "how often this model's answers were right there; not a probability of disease",
            **{name: getattr(self, name) for name in ("version", "model", "model_hash", "precision")},
            "fitted": asdict(self.fitted),
            "curve": {"xs": list(self.curve.xs), "ys": list(self.curve.ys)},
            **{name: getattr(self, name) for name in ("risk", "threshold", "coverage", "quantile")},
            "familiar": self.familiar.to_dict(),
        }
        with whole(path) as partial:
            text = json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
            partial.write_text(text, encoding="utf-8", newline="\n")

    @property
    def basis(self) -> str:
        """What is judged by, in words, with the stated risk and coverage."""
        by = self.fitted
        said = (
            f"{by.questions:,} answers of {self.model} about {by.images:,} images of {by.data} {by.split} ({by.rule})"
        )
        risk = f"answers kept to be wrong at most {_percent(self.risk)} of the time"
        if self.quantile is None:
            return f"{said}; {risk}"
        return f"{said}; {risk}; answer sets to hold the right answer {_percent(self.coverage)} of the time"

    def checked(self, model_hash: str, precision: str) -> Calibration:
        """This one, if it is that model's. Raises InputError where it is another's."""
        if (self.model_hash, self.precision) == (model_hash, precision):
            return self
        mine, other = f"{self.model_hash[:12]} in {self.precision}", f"{model_hash[:12]} in {precision}"
        raise InputError(
            f"a calibration of model {mine}, the model asked is {other}; expected the same: make one for it with "
            "`medfly calibrate`, or ask with --no_calibration"
        )

    def assess(
        self, confidence: float | None, options: Mapping[str, float] | None = None, strange: Sequence[str] = ()
    ) -> Trust:
        """What to make of an answer.

        confidence: as in Answer. options: a closed question's options → their probabilities, None of other questions.
        strange: why this is unlike what the calibration was made with; empty where it is not. Nothing is told by
            likeness then: no share that is right, and no option is ruled out.
        """
        likely = None if strange or confidence is None else float(self.curve(np.array(confidence)))
        reasons = (*strange, *self._doubts(confidence, likely))
        kept = self._set(options, bool(strange))
        return Trust(likely, reasons, self.basis, kept, None if kept is None else self.coverage)

    def _doubts(self, confidence: float | None, likely: float | None) -> list[str]:
        if self.threshold is None:
            return [f"no confidence kept wrong answers under {_percent(self.risk)} where it was calibrated"]
        if confidence is None:
            return ["the model told no confidence"]
        if likely is None or likely >= self.threshold:
            return []
        least = (
            f"{_percent(self.threshold)} are needed so that of all answers kept at most {_percent(self.risk)} are wrong"
        )
        return [f"of answers this sure, {_percent(likely)} were right; {least}"]

    def _set(self, options: Mapping[str, float] | None, strange: bool) -> tuple[str, ...] | None:
        """The likeliest option and all whose probability is high enough. Keeping it can only raise the coverage."""
        if options is None or self.quantile is None:
            return None
        best = max(options, key=lambda option: options[option])
        kept = 1.0 if strange else self.quantile
        return tuple(one for one, share in options.items() if one == best or 1 - share <= kept)


def beside(folder: Path, model_hash: str, precision: str) -> Calibration | None:
    """The calibration in a model's folder, if it is that model's; else a CalibrationWarning in one line, and None."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return Calibration.read(path).checked(model_hash, precision)
    except InputError as error:
        warnings.warn(f"{NAME} is not used: {error}", CalibrationWarning, stacklevel=3)
        return None


def _parsed(told: Mapping[str, Any]) -> Calibration:
    fitted, curve = _of(told, "fitted", dict), _of(told, "curve", dict)
    return Calibration(
        model=_of(told, "model", str),
        model_hash=_of(told, "model_hash", str),
        precision=_of(told, "precision", str),
        fitted=Fitted(
            task=_of(fitted, "task", str),
            split=_of(fitted, "split", str),
            data=_of(fitted, "data", str),
            rule=_of(fitted, "rule", str),
            questions=_count(fitted, "questions", 1),
            images=_count(fitted, "images", 1),
            with_options=_count(fitted, "with_options", 0),  # there may be no closed questions
        ),
        curve=Curve(*(tuple(_number(one, name) for one in _of(curve, name, list)) for name in ("xs", "ys"))),
        risk=_share(told["risk"], "risk"),
        threshold=None if told["threshold"] is None else _share(told["threshold"], "threshold"),
        coverage=_share(told["coverage"], "coverage"),
        quantile=None if told["quantile"] is None else _share(told["quantile"], "quantile"),
        familiar=Familiar.from_dict(_of(told, "familiar", dict)),
        version=_of(told, "version", str),
    )


def _of(told: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = told[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _count(told: Mapping[str, Any], name: str, least: int) -> int:
    number = _of(told, name, int)
    if number < least:
        raise ValueError(f"{name} is {number}, not at least {least}")
    return number


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} holds {str(value)[:20]!r}, not a number")
    return float(value)


def _share(value: Any, name: str) -> float:
    number = _number(value, name)
    if not 0 <= number <= 1:  # NaN is in no range
        raise ValueError(f"{name} is {number}, not within 0 … 1")
    return number


def _refusal(path: Path, found: str) -> InputError:
    return InputError(f"{path}: {found}; expected a calibration of this version: make it with `medfly calibrate`")


def _percent(share: float) -> str:
    """Shown to the tenth, whose last zero goes: a likely_right just under the threshold is not to look like it."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"
