"""How the viewer looks: dark, legible, its research-use banner always in view, the keyboard's place always seen.

Colours are those of medfly.drawing, so that a box has the same colour in the viewer, in a figure and in a report. This
module knows no Streamlit: `options` goes onto its command line (medfly.cli.viewer), `page` into st.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from app.texts import Texts
from medfly.drawing import BACKGROUND, LEVEL_COLOURS, MUTED, PANEL, TEXT, WARNING, Colour

LINE: Colour = (110, 118, 129)
"""Edges of what can be used: 3 : 1 against what lies around it (WCAG 2.2, 1.4.11)."""
LINK: Colour = (158, 203, 255)
FOCUS: Colour = (255, 255, 255)
"""The ring around what the keyboard is on; a yellow one would look like the level "medium" to many."""
LEVELS: Mapping[str, Colour] = {**LEVEL_COLOURS}
BANNER_HEIGHT = "2.2rem"


def css(colour: Colour) -> str:
    """#rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def options() -> dict[str, str]:
    """Streamlit's own options, by their names on its command line."""
    return {
        "theme.base": "dark",
        "theme.primaryColor": css(LEVELS["high"]),
        "theme.backgroundColor": css(BACKGROUND),
        "theme.secondaryBackgroundColor": css(PANEL),
        "theme.textColor": css(TEXT),
        "theme.linkColor": css(LINK),
        "theme.borderColor": css(LINE),
        "theme.font": "system-ui, sans-serif",
        "theme.showWidgetBorder": "true",
        "theme.paddingTop": "0.5rem",
    }


def page(texts: Texts) -> str:
    """HTML for the top of every page: the style, and the banner, which no scrolling and no dialogue hides."""
    line = escape(texts["frame.research_use"])
    return f'<style>{STYLE}</style><div class="medfly-banner" role="note">{line}</div>'


def contrast(first: Colour, second: Colour) -> float:
    """The ratio of two colours' luminances, 1 to 21, as WCAG 2.2 defines it; text needs 4.5."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2, its definition)."""
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


STYLE = f"""
:root {{ --medfly-back: {css(BACKGROUND)}; --medfly-panel: {css(PANEL)}; --medfly-text: {css(TEXT)};
  --medfly-muted: {css(MUTED)}; --medfly-line: {css(LINE)}; --medfly-link: {css(LINK)}; --medfly-focus: {css(FOCUS)};
  --medfly-warning: {css(WARNING)}; --medfly-low: {css(LEVELS["low"])}; --medfly-medium: {css(LEVELS["medium"])};
  --medfly-high: {css(LEVELS["high"])}; --medfly-banner: {BANNER_HEIGHT}; }}
.medfly-banner {{ position: fixed; inset: auto 0 0 0; z-index: 2147483647; height: var(--medfly-banner);
  line-height: var(--medfly-banner); text-align: center; font-weight: 600; white-space: nowrap; overflow: hidden;
  pointer-events: none; background: var(--medfly-warning); color: var(--medfly-back); }}
@media (max-width: 30rem) {{ .medfly-banner {{ font-size: .8rem; }} }}
[data-testid="stAppViewContainer"] {{ padding-bottom: var(--medfly-banner); }}
[data-testid="stMainBlockContainer"] {{ padding-inline: 1.5rem; }}
[data-testid="stSidebarContent"] {{ padding-bottom: var(--medfly-banner); }}
[data-testid="stDialog"] {{ padding-bottom: var(--medfly-banner); }}
[data-testid="stToast"], [data-testid="stToastContainer"] {{ margin-bottom: var(--medfly-banner); }}
:is(a, button, input, textarea, select, summary, canvas, [tabindex], [role="button"], [role="radio"], [role="slider"],
  [role="combobox"], [role="tab"]):focus-visible {{ outline: 3px solid var(--medfly-focus) !important;
  outline-offset: 2px; }}
[data-testid="InputInstructions"] {{ display: none; }}
label:has(> input:focus-visible), [data-baseweb]:has(> div > input:focus-visible) {{
  outline: 3px solid var(--medfly-focus); outline-offset: 2px; }}
button[kind^="primary"]:not(:disabled), button[kind^="primary"]:not(:disabled) * {{ color: var(--medfly-back); }}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * {{ color: var(--medfly-muted);
  opacity: 1; }}
@media (prefers-reduced-motion: reduce) {{ * {{ animation-duration: .01ms !important; transition: none !important; }} }}
@media print {{ .medfly-banner {{ print-color-adjust: exact; }} }}
"""
