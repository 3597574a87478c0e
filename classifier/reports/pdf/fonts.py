"""The letters of a report: Noto Sans, shipped beside this file, embedded as far as it is used.

It covers Latin with all its accents, Greek and Cyrillic; the signs it lacks and people write all
the same (≤, ≥, ↑ …) come from a few letters of Noto Sans Math. Other scripts would need shaping, a
writing direction or a font of their own; a letter that cannot be set right is shown as U+FFFD, and
the report says so, rather than print a name wrong or not at all.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

REGULAR, BOLD, MATHEMATICAL = "NotoSans", "NotoSans-Bold", "NotoSansMath"
# All that the third font holds: the subset of Noto Sans Math that is shipped.
SIGNS = "≤≥≠≈≡∞√∆←↑→↓↔"
FOLDER = Path(__file__).resolve().parent.parent / "fonts"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# In the font, but not set right without shaping.
NEEDS_SHAPING = ("DEVANAGARI",)


@cache
def register() -> Any:
    """Load the fonts once in a process, two as a family; returns the regular face."""
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in (
        (REGULAR, "NotoSans-Regular.ttf"),
        (BOLD, "NotoSans-Bold.ttf"),
        (MATHEMATICAL, "NotoSansMath-Signs.ttf"),
    ):
        pdfmetrics.registerFont(TTFont(name, str(FOLDER / file)))
    for bold in (0, 1):
        for italic in (0, 1):
            addMapping(REGULAR, bold, italic, BOLD if bold else REGULAR)
    return pdfmetrics.getFont(REGULAR).face


def printable(text: str, *, signs: str = "") -> str:
    """Replace what the font cannot set; composed as far as possible, controls taken out.

    Args:
        text: what somebody wrote.
        signs: letters to keep although the font lacks them, since another one will set them.
    """
    known = register().charToGlyph
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        each if each == "\n" or each in signs or _is_set_right(each, known) else REPLACEMENT
        for each in composed
        if each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs")
    )


def _is_set_right(letter: str, known: Any) -> bool:
    name = unicodedata.name(letter, "")
    return ord(letter) in known and not name.startswith(NEEDS_SHAPING)


def marked_up(text: Any) -> str:
    """Text as ReportLab's paragraphs want it: printable, escaped, line ends kept."""
    escaped = escape(printable(str(text), signs=SIGNS)).replace("\n", "<br/>")
    return re.sub(f"[{SIGNS}]+", rf'<font name="{MATHEMATICAL}">\g<0></font>', escaped)
