"""An answer as one card of HTML: that it is deferred first, then its words, how far to rely on it, and its crops.

Crops are buttons that the canvas listens to (data-medfly-crop), so that they are reached by mouse, touch and keyboard
alike; the answer itself stands for its best ones (data-medfly-crops). Everything that a file or a model said is
escaped. The module knows answers and words; it knows no Streamlit, no picture and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from app.asking.answering import Check
from app.theme import FOCUS, LEVELS, LINE, css
from medfly import wording
from medfly.drawing import BACKGROUND, MUTED, PANEL, TEXT, WARNING, shown_regions
from medfly.geometry import size_in_mm
from medfly.html import LONG, SIGN, changes
from medfly.types import Answer, Level, Region

Texts = Mapping[str, str]


def html(
    answer: Answer,
    series: str,
    texts: Texts,
    *,
    about: str = "",
    live: bool = True,
    spacing: tuple[float, float] | None = None,
    checks: Sequence[Check] = (),
) -> str:
    """The card. series: which the canvas must show to react. about: which frame and window, in words.

    live: whether its crops lie on what the canvas shows. spacing: millimetres between rows and columns. checks: of its
    crops, what was answered without them.
    """
    marked = shown_regions(answer)
    deferral = _deferral(wording.deferral_lines(answer)[1:], texts["asking.deferred"])
    return f"""<article class="medfly-card">
<p class="question">{escape(answer.question)}</p>
{_about(about)}{_region(answer, texts)}{deferral}{_words(answer, marked, series, texts, live)}
{_bar(wording.bar_share(answer))}{_lines(wording.trust_lines(answer))}{changes(answer)}
{_crops(marked, series, texts, live, spacing)}{_checks(answer, checks, texts)}{_lines([wording.levels_line(answer)])}
{_provenance(answer, texts)}</article>"""


def streaming(question: str, strange: Sequence[str], words: str, status: str, about: str = "") -> str:
    """The card of an answer that is still being made. strange: lines that say why it will be deferred.

    status: what is being done, or "" for nothing. about: which frame and window, in words.
    """
    warning = _deferral(strange[1:], strange[0]) if strange else ""
    doing = f'<p class="small doing" role="status">{escape(status)}</p>' if status else ""
    said = f'<p class="{_size(words, bool(strange))}">{escape(words)}</p>' if words else ""
    asked = f'<p class="question">{escape(question)}</p>{_about(about)}'
    return f'<article class="medfly-card">{asked}{warning}{said}{doing}</article>'


def _deferral(reasons: Sequence[str], heading: str) -> str:
    """That an answer is deferred, and why; nothing without reasons. The reasons are English, as everywhere."""
    if not reasons:
        return ""
    lines = "".join(f'<br><span lang="en">{escape(line)}</span>' for line in reasons)
    return f'<p class="deferred" role="note"><b>{SIGN} {escape(heading)}</b>{lines}</p>'


def _about(line: str) -> str:
    return f'<p class="small about">{escape(line)}</p>' if line else ""


def crop_name(level: Level, crop: int) -> str:
    """What the canvas calls a crop."""
    return f"{level}-{crop}"


def _size(words: str, deferred: bool) -> str:
    return f"answer{' left' if deferred else ''}{' long' if len(words) > LONG else ''}"


def _region(answer: Answer, texts: Texts) -> str:
    """That only a part of the picture was shown to the model."""
    box = answer.provenance.get("region")
    if not box:
        return ""
    return f'<p class="small">{escape(texts["asking.about_region"].format(box=wording.box_line(tuple(box))))}</p>'


def _words(answer: Answer, marked: Sequence[Region], series: str, texts: Texts, live: bool) -> str:
    """The answer; a deferred one is said to be one, small and grey."""
    said, deferred = wording.answer_line(answer), bool(wording.deferral_lines(answer))
    before = f'<span class="small">{escape(texts["asking.deferred_answer"])}</span> ' if deferred else ""
    crops = " ".join(crop_name(region.level, region.crop) for region in marked)
    reacts = f' tabindex="0" data-medfly-crops="{crops}" {_of(series)}' if live and marked else ""
    return f'<p class="{_size(said, deferred)}"{reacts}>{before}{escape(said)}</p>'


def _of(series: str) -> str:
    return f'data-medfly-series="{escape(series)}"'


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    return f'<div class="bar" aria-hidden="true"><div style="width:{round(100 * share)}%"></div></div>'


def _lines(lines: Sequence[str]) -> str:
    return "".join(f'<p class="small">{escape(line)}</p>' for line in lines)


def _crops(marked: Sequence[Region], series: str, texts: Texts, live: bool, spacing: tuple[float, float] | None) -> str:
    if not marked:
        return ""
    items = "".join(f"<li>{_crop(rank, region, series, live, spacing)}</li>" for rank, region in enumerate(marked, 1))
    return f'<p class="small">{escape(texts["asking.crops"])}</p><ul class="crops">{items}</ul>'


def _crop(rank: int, region: Region, series: str, live: bool, spacing: tuple[float, float] | None) -> str:
    size = wording.millimetre_line(size_in_mm(region.box, spacing))
    told = (
        f'<b class="{region.level}">{rank} {region.level} {wording.score_text(region.score)}</b> '
        f"{escape(wording.place_line(region))} · {escape(size)}"
    )
    if not live:
        return told
    name = crop_name(region.level, region.crop)
    return f'<button type="button" class="crop" data-medfly-crop="{name}" {_of(series)}>{told}</button>'


def _checks(answer: Answer, checks: Sequence[Check], texts: Texts) -> str:
    """What was answered without single crops."""
    lines = []
    for one in checks:
        values = {
            "crop": f"{one.level} {one.crop}",
            "before": wording.answer_line(answer),
            "after": wording.said(one.text),
            "nats": wording.score_text(one.nats),
        }
        said = escape(texts["asking.check_same" if one.same else "asking.check_changed"].format(**values))
        lines.append(f'<p class="small">{said}</p>' if one.same else f'<p class="warning">{SIGN} {said}</p>')
    return "".join(lines)


def _provenance(answer: Answer, texts: Texts) -> str:
    """What the model saw, and which model it was."""
    given = answer.provenance
    earlier = given.get("earlier_turns") or ()
    rows = [
        (texts["asking.input"], wording.input_line(given)),
        (texts["asking.window"], wording.window_line(given)),
        (texts["asking.model"], wording.model_line(given)),
        (texts["asking.crop_levels"], ", ".join(given.get("levels") or ())),
        *((texts["asking.note"], note) for note in given.get("notes") or ()),
        *((texts["asking.earlier"], f"{turn['question']} {wording.said(turn['answer'])}") for turn in earlier),
    ]
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in rows if said)
    return f"<details><summary>{escape(texts['asking.provenance'])}</summary><dl>{told}</dl></details>"


STYLE = f"""<style>
.medfly-card {{ --muted: {css(MUTED)}; --warning: {css(WARNING)}; --panel: {css(PANEL)}; --text: {css(TEXT)};
  padding: .8rem 1rem; background: var(--panel); color: var(--text); border-radius: .5rem; overflow-wrap: anywhere; }}
.medfly-card p {{ margin: 0 0 .4rem; }}
.medfly-card .question, .medfly-card .small, .medfly-card summary, .medfly-card dt {{ color: var(--muted); }}
.medfly-card .small, .medfly-card details {{ font-size: .85rem; }}
.medfly-card .answer {{ font-size: 1.9rem; font-weight: 600; line-height: 1.2; border-radius: .3rem; }}
.medfly-card .answer.long, .medfly-card .answer.left {{ font-size: 1.25rem; }}
.medfly-card .answer.left {{ font-weight: 400; color: var(--muted); }}
.medfly-card .deferred {{ padding: .5rem .7rem; border: 2px solid var(--warning); border-radius: .4rem; }}
.medfly-card .deferred b {{ font-size: 1.15rem; }}
.medfly-card .deferred b, .medfly-card .warning {{ color: var(--warning); }}
.medfly-card .sign {{ display: inline-block; width: 1.3em; line-height: 1.3em; text-align: center; border-radius: 50%;
  background: var(--warning); color: var(--panel); font-weight: 700; }}
.medfly-card .bar {{ height: .5rem; max-width: 22rem; margin: .4rem 0; background: {css(BACKGROUND)}; }}
.medfly-card .bar div {{ height: 100%; background: {css(LEVELS["high"])}; }}
.medfly-card .crops {{ list-style: none; margin: 0 0 .4rem; padding: 0; display: grid; gap: .3rem; }}
.medfly-card .crops li {{ margin: 0; padding: 0; font-size: .85rem; }}
.medfly-card .crop {{ width: 100%; min-height: 2.2rem; padding: .3rem .6rem; text-align: left; cursor: pointer;
  font: inherit; color: var(--text); background: transparent; border: 1px solid {css(LINE)}; border-radius: .3rem; }}
.medfly-card .crop:hover, .medfly-card .answer[tabindex]:hover {{ background: {css(BACKGROUND)}; }}
.medfly-card .crop:focus-visible, .medfly-card .answer:focus-visible, .medfly-card summary:focus-visible {{
  outline: 3px solid {css(FOCUS)}; outline-offset: 1px; }}
.medfly-card b.low {{ color: {css(LEVELS["low"])}; }}
.medfly-card b.medium {{ color: {css(LEVELS["medium"])}; }}
.medfly-card b.high {{ color: {css(LEVELS["high"])}; }}
.medfly-card summary {{ cursor: pointer; }}
.medfly-card dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .3rem 0 0; }}
.medfly-card dd {{ margin: 0; }}
.medfly-card table {{ border-collapse: collapse; font-size: .85rem; overflow-wrap: normal; }}
.medfly-card th, .medfly-card td {{ padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top; border: 0; }}
.medfly-card th {{ color: var(--muted); font-weight: 400; }}
.medfly-card .doing::before {{ content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .5em;
  border: 2px solid var(--muted); border-top-color: transparent; border-radius: 50%;
  animation: medfly-turn 1s linear infinite; }}
@keyframes medfly-turn {{ to {{ transform: rotate(360deg); }} }}
@media (prefers-reduced-motion: reduce) {{ .medfly-card .doing::before {{ animation: none; }} }}
</style>"""
"""Once a page, by st.html."""
