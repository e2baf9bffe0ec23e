"""How a question is worded for a model: part of a task's version, named and recorded with every run.

A prompt makes text of a question. It knows no model, no chat template and no picture; where the picture stands is the
model's business. The published ones that choose their words by the gold answer tell the model what kind of answer is
right: `chosen` says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from medfly.types import InputError, Sample

SLOT = "{question}"
SINGLE_WORD = "Answer the question using a single word or phrase."


@dataclass(frozen=True)
class Prompt:
    """One way to put a question.

    name: as in `--prompt`. source: who asks so, with the version. templates: kind of question → its text, with
    SLOT where the question stands, its outer blanks removed. kind: which of them a sample takes; chosen: the same in
    words. tasks: the only tasks that are put so; empty for all that no other prompt of this name is for.
    """

    name: str
    source: str
    templates: Mapping[str, str]
    kind: Callable[[Sample], str]
    chosen: str
    tasks: tuple[str, ...] = ()

    def apply(self, sample: Sample) -> str:
        """The text that the model is asked."""
        return self.templates[self.kind(sample)].replace(SLOT, sample.question.strip())

    @property
    def version(self) -> str:
        """The beginning of a SHA-256 over all that decides the text; for a run's record."""
        decisive = [self.name, dict(sorted(self.templates.items())), self.chosen]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:12]


def asked(samples: Iterable[Sample], prompt: Prompt) -> list[Sample]:
    """The samples as they are put to a model; nothing but the question is changed."""
    return [replace(sample, question=prompt.apply(sample)) for sample in samples]


def _same(sample: Sample) -> str:
    return "any"


def _yes_no(sample: Sample) -> str:
    return "yes_no" if (sample.answer or "").strip().lower() in ("yes", "no") else "open"


def _tag(sample: Sample) -> str:
    return "open" if sample.answer_type == "OPEN" else "closed"


QUESTION = Prompt(
    "question",
    "the words of the data set alone, as MedFly's own models are trained",
    {"any": SLOT},
    _same,
    "the same for all",
)
SHORT = Prompt(
    "short",
    "lmms-eval 65ef07d, lmms_eval/tasks/slake/_default_template_yaml (post_prompt)",
    {"any": f"{SLOT}\n{SINGLE_WORD}"},
    _same,
    "the same for all",
)
# MedEvalKit takes other words for SLAKE than for the two others. Its reasoning mode is left out.
MEDEVALKIT_SLAKE = Prompt(
    "medevalkit",
    "MedEvalKit 9b12e3b, utils/SLAKE/SLAKE.py and utils/question_formats.py",
    {"closed": f"{SLOT}\n{SINGLE_WORD}", "open": f"{SLOT}\nPlease answer the question concisely."},
    _tag,
    "by the data set's OPEN/CLOSED tag",
    ("slake",),
)
MEDEVALKIT_SLAKE_ZH = replace(
    MEDEVALKIT_SLAKE,
    templates={"closed": f"{SLOT}\n请用一个单词或者短语回答该问题。", "open": f"{SLOT}\n请简要回答该问题。"},
    tasks=("slake_zh",),
)
MEDEVALKIT = Prompt(
    "medevalkit",
    "MedEvalKit 564d279, utils/VQA_RAD/VQA_RAD.py and utils/question_formats.py; PathVQA likewise",
    {
        "yes_no": f"{SLOT}\nPlease output 'yes' or 'no'(no extra output).",
        "open": f"{SLOT}\nPlease answer the question concisely.",
    },
    _yes_no,
    "by the gold answer: yes or no in any case, or another",
)
MULTIMEDEVAL = Prompt(
    "multimedeval",
    "MultiMedEval 03dd509, multimedeval/vqa.py; there, capitals count and the picture stands behind the prefix",
    {"yes_no": f"Answer the following question with yes or no. {SLOT}", "open": SLOT},
    _yes_no,
    "by the gold answer: yes or no in any case, or another",
)
PROMPTS = (QUESTION, SHORT, MEDEVALKIT_SLAKE, MEDEVALKIT_SLAKE_ZH, MEDEVALKIT, MULTIMEDEVAL)


def get_prompt(name: str, task: str) -> Prompt:
    """The prompt of that name as the task is put to models. Raises InputError that lists the known ones."""
    named = [prompt for prompt in PROMPTS if prompt.name == name]
    for prompt in named:
        if task in prompt.tasks:
            return prompt
    for prompt in named:
        if not prompt.tasks:
            return prompt
    known = ", ".join(dict.fromkeys(prompt.name for prompt in PROMPTS))
    raise InputError(f"prompt {name!r}: expected one of {known}: choose one of these")
