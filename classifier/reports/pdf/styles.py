"""Measures, colours and paragraph styles of a report."""

from __future__ import annotations

from functools import cache
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph

from classifier.reports.pdf.fonts import BOLD, REGULAR, marked_up

PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN = 16 * mm
WIDTH = PAGE_WIDTH - 2 * MARGIN
INK, GREY, LINE, WASH = (
    HexColor("#1b2430"), HexColor("#5b6675"), HexColor("#c9d0d9"), HexColor("#f2f5f8"),
)  # fmt: skip
ACCENT, ALARM, AMBER, AMBER_WASH = (
    HexColor("#17496f"), HexColor("#a3161f"), HexColor("#7a4b00"), HexColor("#fdf1cf"),
)  # fmt: skip


@cache
def style(name: str) -> Any:
    """One of the report's paragraph styles."""
    text = {"fontName": REGULAR, "fontSize": 8.5, "leading": 11.5, "textColor": INK}
    own: dict[str, dict[str, Any]] = {
        "text": {},
        "right": {"alignment": TA_RIGHT},
        "bold": {"fontName": BOLD},
        "bold-right": {"fontName": BOLD, "alignment": TA_RIGHT},
        "small": {"fontSize": 7.2, "leading": 9.6, "textColor": GREY},
        "small-right": {"fontSize": 7.2, "leading": 9.6, "textColor": GREY, "alignment": TA_RIGHT},
        "small-left": {"fontSize": 6.6, "leading": 8.4, "textColor": GREY},
        "label": {"fontSize": 7, "leading": 8.8, "textColor": GREY},
        "head": {"fontName": BOLD, "fontSize": 7.2, "leading": 9, "textColor": ACCENT},
        "head-right": {
            "fontName": BOLD, "fontSize": 7.2, "leading": 9, "textColor": ACCENT,
            "alignment": TA_RIGHT,
        },
        "section": {
            "fontName": BOLD, "fontSize": 10, "leading": 13, "textColor": ACCENT,
            "spaceBefore": 9, "spaceAfter": 3, "keepWithNext": 1,
        },
        # Before something longer than a page, with which no heading can be kept together.
        "section-free": {
            "fontName": BOLD, "fontSize": 10, "leading": 13, "textColor": ACCENT,
            "spaceBefore": 9, "spaceAfter": 3,
        },
        "alarm": {"fontName": BOLD, "fontSize": 7.8, "leading": 10, "textColor": ALARM},
        "notice": {"fontSize": 8.2, "leading": 11, "textColor": AMBER},
    }  # fmt: skip
    return ParagraphStyle(name, **{**text, **own[name]})


def paragraph(text: Any, name: str = "text") -> Any:
    """A paragraph of plain text."""
    return Paragraph(marked_up(text), style(name))
