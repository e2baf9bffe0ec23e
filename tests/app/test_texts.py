"""The table of texts: both languages say everything, with the same gaps, and what the page asks for is there."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import app
from app import texts
from app.texts import AREAS, LANGUAGES, part, table

HERE = Path(str(app.__file__)).parent
NAMES = sorted(table("en"))
KEY = re.compile(rf"({'|'.join(AREAS)})\.[a-z_0-9]+")


def gaps(text: str) -> set[str | None]:
    """The names that str.format fills in."""
    return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_it_with_the_same_gaps(name: str) -> None:
    english, german = table("en")[name], table("de")[name]
    assert english.strip() and german.strip()
    assert gaps(english) == gaps(german)
    assert not gaps(english) & {""}, "gaps have names: the order of words differs"


def test_languages_have_the_same_names() -> None:
    assert all(set(table(language)) == set(NAMES) for language in LANGUAGES)


def test_every_module_of_texts_is_an_area() -> None:
    modules = {path.stem for path in (HERE / "texts").glob("*.py")} - {"__init__", "said"}
    assert modules == set(AREAS)


def asked_for(source: Path) -> set[str]:
    """All literals of a file that read like a text's name: they are subscripts of the table or passed on to it."""
    found = [node.value for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.Constant)]
    return {value for value in found if isinstance(value, str) and KEY.fullmatch(value)}


@pytest.mark.parametrize("source", sorted(HERE.rglob("*.py")), ids=lambda path: str(path.relative_to(HERE)))
def test_what_the_page_asks_for_is_in_the_table(source: Path) -> None:
    files = {f"{path.stem}.{path.suffix[1:]}" for path in HERE.rglob("*") if path.is_file()}
    missing = {name for name in asked_for(source) - files if not said(name)}
    assert not missing


def said(name: str) -> bool:
    """Whether there is such a text; "audit.as_" is the beginning of several, as in f"audit.as_{format}"."""
    return name in NAMES or (name.endswith("_") and any(other.startswith(name) for other in NAMES))


def test_a_missing_text_is_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def f(texts):\n    return texts['canvas.no_such_text_is_there']\n")
    assert asked_for(tmp_path / "wrong.py") == {"canvas.no_such_text_is_there"}


def test_a_part_has_bare_names_and_only_its_own() -> None:
    assert part(table("de"), "frame")["language"] == "Sprache"
    assert set(part(table(), "frame")) == set(AREAS["frame"])


def test_texts_cannot_be_changed_by_a_session() -> None:
    with pytest.raises(TypeError):
        table()["frame.language"] = "x"  # type: ignore[index]


def test_an_unknown_language() -> None:
    with pytest.raises(KeyError, match="en, de"):
        texts.table("fr")  # type: ignore[arg-type]


def test_research_use_is_the_line_of_all_outputs() -> None:
    from medfly.wording import RESEARCH_USE

    assert table("en")["frame.research_use"] == RESEARCH_USE
