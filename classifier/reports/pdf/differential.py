"""The table of the differential: counts, intervals, ranges and flags, each class on its line."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Spacer, Table

from cases.templatetags.interface import decimal
from cases.templatetags.results import between, missing, plain, white_cells_reason
from classifier.reports.content import ClassLine, Flag, Interval, Limits, ReportContent
from classifier.reports.pdf.parts import DASH, Dot, section
from classifier.reports.pdf.styles import INK, LINE, WASH, WIDTH, paragraph


class IntervalBar(Flowable):
    """A value and its interval on a line from 0 to 100, the range behind them."""

    def __init__(self, estimate: Interval, limits: Limits, color: str) -> None:
        super().__init__()
        self.width, self.height = 21 * mm, 3 * mm
        self.estimate, self.limits, self.color = estimate, limits, HexColor(color)

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        self.width = width
        return self.width, self.height

    def draw(self) -> None:
        canvas, middle = self.canv, self.height / 2 - 0.5 * mm

        def place(percent: float | None) -> float:
            return self.width * min(max(percent or 0, 0), 100) / 100

        if self.limits.given:
            left = place(self.limits.low)
            right = place(100 if self.limits.high is None else self.limits.high)
            canvas.setFillColor(HexColor("#d9ead9"))
            canvas.rect(left, middle - 1.5 * mm, right - left, 3 * mm, stroke=0, fill=1)
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.5)
        canvas.line(0, middle, self.width, middle)
        if self.estimate.low is not None and self.estimate.high is not None:
            canvas.setStrokeColor(INK)
            canvas.setLineWidth(1.1)
            low = place(self.estimate.low)
            canvas.line(low, middle, max(place(self.estimate.high), low + 0.6), middle)
        if self.estimate.value is not None:
            canvas.setFillColor(self.color)
            canvas.setStrokeColor(INK)
            canvas.setLineWidth(0.4)
            canvas.circle(place(self.estimate.value), middle, 0.9 * mm, stroke=1, fill=1)


def table(content: ReportContent) -> list[Any]:
    """The differential with intervals, ranges and flags, and what stands apart from it."""
    with_absolute = content.white_cells is not None
    leukocytes = [each for each in content.lines if each.counted]
    shown = [*leukocytes, *content.apart]
    with_ranges = any(each.limits.given or each.absolute_limits.given for each in shown)
    columns = [
        (_("Class"), 31, "head"),
        (_("Count"), 16, "head-right"),
        ("%", 11, "head-right"),
        (pgettext("column of a report", "95 % interval"), 22, "head-right"),
        ("", 23 if with_absolute else 34, "head"),
    ]
    if with_absolute:
        columns.append(("10⁹/L", 13, "head-right"))
        columns.append((pgettext("column of a report", "95 % interval"), 22, "head-right"))
    if with_ranges:
        columns.append((_("Range"), 25, "head-right"))
        columns.append((_("Flag"), 26, "head"))
    rows = [[paragraph(title, name) for title, _width, name in columns]]
    rows += [_line(each, with_absolute, with_ranges) for each in leukocytes]
    total: list[Any] = [
        paragraph(_("Leukocytes"), "bold"),
        paragraph(content.leukocytes, "bold-right"),
        paragraph("100" if content.leukocytes else DASH, "bold-right"),
    ]
    total += [""] * (len(columns) - len(total))
    if content.white_cells:
        total[5] = paragraph(decimal(content.white_cells.value, 2), "bold-right")
    rows.append(total)
    total_row = len(rows) - 1
    rows += [_line(each, with_absolute, with_ranges) for each in content.apart]
    used = sum(width for _title, width, _name in columns)
    # A table of few columns is spread a little, not over the whole page.
    share = WIDTH / used if with_ranges or with_absolute else mm * 1.22
    shown_table = Table(
        rows, colWidths=[width * share for _title, width, _name in columns], repeatRows=1
    )
    shown_table.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK),
            ("LINEBELOW", (0, 1), (-1, -1), 0.3, LINE),
            ("LINEABOVE", (0, total_row), (-1, total_row), 0.8, INK),
            ("LINEBELOW", (0, total_row), (-1, total_row), 0.8, INK),
            ("BACKGROUND", (0, total_row), (-1, total_row), WASH),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 1.7),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.3),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    shown_table.hAlign = "LEFT"
    return [section(_("Differential")), shown_table, Spacer(0, 1.5 * mm), *_table_notes(content)]


def _line(line: ClassLine, with_absolute: bool, with_ranges: bool) -> list[Any]:
    name = Table([[Dot(line.color), paragraph(line.name)]], colWidths=[4 * mm, None])
    name.setStyle(
        [
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ]
    )
    per_hundred = line.group == "erythroblast"
    told = line.counted or per_hundred
    beside: Any = ""
    if line.counted:
        beside = IntervalBar(line.relative, line.limits, line.color)
    elif per_hundred:
        beside = paragraph(_("per 100 WBC"), "small")
    elif line.seen:
        beside = paragraph(_("on the images"), "small")
    row: list[Any] = [
        name,
        paragraph(line.count, "right"),
        paragraph(decimal(line.relative.value) if told else "", "bold-right"),
        paragraph(_interval(line.relative) if told else "", "small-right"),
        beside,
    ]
    if with_absolute:
        own = line.absolute if told else None
        row.append(paragraph(decimal(own.value, 2) if own else "", "right"))
        row.append(paragraph(_interval(own, 2) if own else "", "small-right"))
    if with_ranges:
        row.append([*_ranges(line)])
        row.append([*_flags(line)])
    return row


def _interval(estimate: Interval, decimals: int = 1) -> str:
    if estimate.low is None:
        return DASH
    if estimate.high is None:
        return f"≥ {decimal(estimate.low, decimals)}"
    return f"{decimal(estimate.low, decimals)} – {decimal(estimate.high, decimals)}"


def _ranges(line: ClassLine) -> list[Any]:
    unit = "%" if line.counted else "/100"
    told = []
    if line.limits.given:
        told.append(f"{between(line.limits.low, line.limits.high)} {unit}")
    if line.absolute_limits.given:
        told.append(f"{between(line.absolute_limits.low, line.absolute_limits.high)} 10⁹/L")
    return [paragraph(each, "small-right") for each in told]


def _flags(line: ClassLine) -> list[Any]:
    told = []
    for flag, unit in ((line.flag, "%" if line.counted else "/100"), (line.absolute_flag, "10⁹/L")):
        if flag is None:
            continue
        if flag.outside:
            told.append(paragraph(f"{_flag_word(flag)} ({unit})", "alarm"))
        elif flag.standing == "undecided":
            told.append(paragraph(f"{_undecided(flag)} ({unit})", "small"))
    return told


def _flag_word(flag: Flag) -> str:
    return {"high": _("HIGH"), "low": _("LOW"), "present": _("PRESENT")}[flag.standing]


def _undecided(flag: Flag) -> str:
    if flag.more is None:
        return _("open")
    return f"+{flag.more}"


def _table_notes(content: ReportContent) -> list[Any]:
    notes = [
        _(
            "Percentages are of the leukocytes alone, with their exact binomial 95 % interval "
            "(Clopper-Pearson). Erythroblasts are nRBC per 100 leukocytes. Platelets seen on the "
            "images and classes that only reviewers give stand apart and are no concentration."
        )
    ]
    white_cells = content.white_cells
    if white_cells:
        words = _("Absolute counts rest on the analyser's %(entered)s, %(reason)s.")
        entered = f"{plain(white_cells.entered)}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁹/L"
        notes.append(words % {"entered": entered, "reason": white_cells_reason(white_cells.reason)})
    if any(each.limits.given or each.absolute_limits.given for each in content.lines):
        notes.append(
            _(
                "A flag stands only where the whole interval lies outside the laboratory's range "
                "for this patient, the green band; otherwise the result is open, and “+n” says how "
                "many more leukocytes would settle it."
            )
        )
    if content.not_applied:
        reasons = "; ".join(missing(each) for each in content.not_applied)
        notes.append(f"{_('Some reference ranges could not be applied:')} {reasons}.")
    return [paragraph(" ".join(notes), "small")]
