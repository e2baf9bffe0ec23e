"""What a scoring rule is: a named way to judge one prediction against one gold answer.

It fixes the words that every rule shares and holds no rule itself. How judgements become percentages and intervals is
benchmarks.scores' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Group = Literal["open", "closed", "overall"]
GROUPS: tuple[Group, ...] = ("open", "closed", "overall")
_GROUP_OF_TAG: dict[str, Group] = {"OPEN": "open", "CLOSED": "closed"}


@dataclass(frozen=True)
class Item:
    """All that a rule may look at: one question, its gold answer, and what was said.

    answer is never empty. answer_type: "OPEN", "CLOSED", or None where the data set does not say.
    task: as in `--tasks`, for the rules that treat data sets differently.
    """

    question: str
    answer: str
    answer_type: str | None
    prediction: str
    task: str = ""


@dataclass(frozen=True)
class Judged:
    """A rule's verdict on one item.

    score: 0 … 1; None where the rule as published leaves the item out of its denominator.
    unparsed: no answer could be read from the prediction, and it scores 0 for that.
    note: what else is to be told, such as "the released script ends with an error here; scored 0"; counted by text.
    """

    score: float | None
    unparsed: bool = False
    note: str = ""


def by_tag(item: Item) -> Group | None:
    """The group that the data set's own tag says; None where it says nothing: such an item is in "overall" only."""
    return _GROUP_OF_TAG.get(item.answer_type or "")


@dataclass(frozen=True)
class Rule:
    """One column of numbers that may be compared with others of the same name, and with no others.

    name: as in scores.json; letters, digits and "_". title: for tables. source: who published it and where, with
    the version. metrics: group → what is averaged there ("accuracy", "token recall"); a group that is not in it has
    no number under this rule.
    judge: pure; it takes any Item, of these groups or not, and raises nothing.
    group: which of "open" and "closed" an item counts in. Most go by the data set's tag; some go by the gold answer,
        and their denominators differ.
    parts_words: it compares the words between blanks, of which Chinese has none; its numbers there mean nothing.
    """

    name: str
    title: str
    source: str
    judge: Callable[[Item], Judged]
    metrics: Mapping[Group, str] = field(default_factory=dict)
    group: Callable[[Item], Group | None] = by_tag
    parts_words: bool = False
