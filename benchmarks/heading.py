"""The first lines of a page of results: what it is, whose answers it is about, and to which questions.

It knows no result: names come from outside.
"""

from __future__ import annotations

from medfly.wording import RESEARCH_USE


def page_head(title: str, *, model: str, model_hash: str, task: str, split: str) -> str:
    """Markdown, up to an empty line behind it. model: a folder's path is nobody's concern: its last part is shown."""
    name = model.rstrip("/").rsplit("/", 1)[-1]
    return f"# {title}\n\nModel {name} ({model_hash[:12]}), {task} {split}. {RESEARCH_USE}.\n\n"
