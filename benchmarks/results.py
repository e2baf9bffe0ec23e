"""One question of a split with what a model said to it: what every score, interval and figure is made from.

It joins the data set's side (benchmarks.tasks) with the model's (benchmarks.predictions) and judges nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from benchmarks.protocols.exact import normalise
from benchmarks.protocols.rule import Item
from medfly.types import Evidence, Sample


@dataclass(frozen=True)
class Result:
    """prediction: the model's words, as they came. confidence: 0 … 1, None where the model gave none.

    evidence: of the tasks that score it; None where none came along.
    """

    sample: Sample
    prediction: str
    confidence: float | None = None
    evidence: Evidence | None = None

    @property
    def cluster(self) -> Hashable:
        """What intervals resample: the patient where the data set names patients, else the image."""
        return self.sample.image if self.sample.patient is None else self.sample.patient

    @property
    def is_scored(self) -> bool:
        """Whether there is a gold answer to score against: not null, and not empty once normalised."""
        return self.sample.answer is not None and normalise(self.sample.answer) != ""

    @property
    def tag(self) -> str | None:
        """OPEN or CLOSED, None where the data set says neither."""
        tag = (self.sample.answer_type or "").strip().upper()
        return tag if tag in ("OPEN", "CLOSED") else None

    def item(self, task: str) -> Item:
        """What a scoring rule may see of it. Only for what is scored."""
        return Item(self.sample.question, self.sample.answer or "", self.tag, self.prediction, task)
