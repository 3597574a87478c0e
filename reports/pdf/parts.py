"""The parts of a report between head and foot, as ReportLab's flowables."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table

from cases.models import Patient
from cases.templatetags.interface import day, decimal, moment
from reports.content import ClassLine, Flag, Interval, Limits, Person, ReportContent, ReportStatus
from reports.pdf.fonts import REPLACEMENT, printable
from reports.pdf.styles import INK, LINE, WASH, WIDTH, paragraph

DASH = "–"


class Dot(Flowable):
    """A class's colour before its name."""

    def __init__(self, color: str) -> None:
        super().__init__()
        self.width = self.height = 2.2 * mm
        self.color = HexColor(color)

    def draw(self) -> None:
        self.canv.setFillColor(self.color)
        self.canv.circle(self.width / 2, self.height / 2 - 0.4 * mm, 1.1 * mm, stroke=0, fill=1)


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


def section(title: str) -> Any:
    return paragraph(title, "section")


def identifiers(content: ReportContent) -> Any:
    """Whose report it is and of which specimen."""
    patient = content.patient
    facts = [
        (_("Patient"), patient.name or DASH),
        (_("Patient identifier"), patient.identifier),
        (_("Accession number"), content.accession_number),
        (_("Birth date"), _born(patient)),
        (_("Sex"), str(Patient.Sex(patient.sex).label)),
        (_("Stain"), content.stain or DASH),
        (_("Collected"), moment(content.collected_at)),
        (_("Received"), moment(content.received_at)),
        (_("Specimen"), _("Peripheral blood, smear")),
    ]
    cells = [[paragraph(label, "label"), paragraph(value, "bold")] for label, value in facts]
    rows = [cells[start : start + 3] for start in range(0, len(cells), 3)]
    widths = [WIDTH * 0.4, WIDTH * 0.3, WIDTH * 0.3]
    table = Table(rows, colWidths=widths)
    table.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), WASH),
            ("BOX", (0, 0), (-1, -1), 0.5, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 2.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.6),
        ]
    )
    return table


def _born(patient: Person) -> str:
    """The birth date, and the age at collection where both are known."""
    if patient.age is None:
        return day(patient.birth_date)
    words = ngettext("%(date)s (%(age)s year)", "%(date)s (%(age)s years)", patient.age)
    return words % {"date": day(patient.birth_date), "age": patient.age}


def notices(content: ReportContent) -> list[Any]:
    """What a reader must know before the numbers."""
    said = []
    if content.amended:
        words = _("This report replaces version %(version)s. Reason: %(reason)s") % {
            "version": content.amended.version,
            "reason": content.amended.reason,
        }
        said.append(words)
    if not content.leukocytes:
        said.append(_("No leukocyte has a name yet: there is no differential."))
    elif content.limited:
        words = ngettext(
            "Limited: %(count)s leukocyte was counted; a differential wants at least 100.",
            "Limited: %(count)s leukocytes were counted; a differential wants at least 100.",
            content.leukocytes,
        )
        said.append(words % {"count": content.leukocytes})
    if content.needs_review:
        words = ngettext(
            "%(count)s cell still needs a reviewer.",
            "%(count)s cells still need a reviewer.",
            content.needs_review,
        )
        said.append(words % {"count": content.needs_review})
    unnamed = sum(not each.label for each in content.cells)
    if unnamed:
        words = ngettext(
            "%(count)s cell has no name and is counted nowhere.",
            "%(count)s cells have no name and are counted nowhere.",
            unnamed,
        )
        said.append(words % {"count": unnamed})
    return [Spacer(0, 2 * mm), *(paragraph(each, "notice") for each in said)] if said else []


def differential(content: ReportContent) -> list[Any]:
    """The differential with intervals, ranges and flags, and what stands apart from it."""
    with_absolute = content.white_cells is not None
    leukocytes = [each for each in content.lines if each.counted]
    shown = [*leukocytes, *content.apart]
    with_ranges = any(each.limits.given or each.absolute_limits.given for each in shown)
    columns = [
        (_("Class"), 31, "head"),
        (_("Count"), 13, "head-right"),
        ("%", 12, "head-right"),
        (_("95 % interval"), 21, "head-right"),
        ("", 24 if with_absolute else 34, "head"),
    ]
    if with_absolute:
        columns.append(("10⁹/L", 13, "head-right"))
        columns.append((_("95 % interval"), 20, "head-right"))
    if with_ranges:
        columns.append((_("Range"), 26, "head-right"))
        columns.append((_("Flag"), 28, "head"))
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
    share = WIDTH / used if used * mm > WIDTH or with_ranges or with_absolute else mm * 1.22
    table = Table(rows, colWidths=[width * share for _title, width, _name in columns], repeatRows=1)
    table.setStyle(
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
    table.hAlign = "LEFT"
    return [section(_("Differential")), table, Spacer(0, 1.5 * mm), *_table_notes(content)]


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
        beside = paragraph(_("per 100 leukocytes"), "small")
    elif line.seen:
        beside = paragraph(_("seen on the images"), "small")
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


def _limits(limits: Limits, unit: str, decimals: int) -> str:
    if limits.high == 0:
        return f"0 {unit}"
    if limits.low is None:
        return f"≤ {decimal(limits.high, decimals)} {unit}"
    if limits.high is None:
        return f"≥ {decimal(limits.low, decimals)} {unit}"
    return f"{decimal(limits.low, decimals)} – {decimal(limits.high, decimals)} {unit}"


def _ranges(line: ClassLine) -> list[Any]:
    unit = "%" if line.counted else "/100"
    told = []
    if line.limits.given:
        told.append(_limits(line.limits, unit, 1))
    if line.absolute_limits.given:
        told.append(_limits(line.absolute_limits, "10⁹/L", 2))
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
    return _("open: +%(count)s") % {"count": flag.more}


def _table_notes(content: ReportContent) -> list[Any]:
    notes = [
        _(
            "Percentages are of the leukocytes alone, with their exact binomial 95 % interval "
            "(Clopper-Pearson). Erythroblasts are nRBC per 100 leukocytes. Platelets seen on the "
            "images and classes that only reviewers give stand apart and are no concentration."
        )
    ]
    if content.white_cells:
        entered = decimal(content.white_cells.entered, 2)
        if content.white_cells.corrected:
            notes.append(
                _("Absolute counts rest on the analyser's %(entered)s · 10⁹/L, corrected for nRBC.")
                % {"entered": entered}
            )
        else:
            notes.append(
                _("Absolute counts rest on the analyser's %(entered)s · 10⁹/L, not corrected.")
                % {"entered": entered}
            )
    if any(each.limits.given or each.absolute_limits.given for each in content.lines):
        notes.append(
            _(
                "A flag stands only where the whole interval lies outside the laboratory's range "
                "for this patient, the green band; otherwise the result is open, and “+n” says how "
                "many more leukocytes would settle it."
            )
        )
    return [paragraph(" ".join(notes), "small")]


def findings(content: ReportContent) -> list[Any]:
    """What was seen beside the count, and what the signer says."""
    parts: list[Any] = []
    if content.findings:
        parts.append(section(_("Findings outside the count")))
        parts += [paragraph(f"•  {each.words}") for each in content.findings]
    comment = content.signature.comment if content.signature else ""
    if comment:
        parts += [section(_("Comment")), paragraph(comment)]
    if content.clinical_note:
        parts += [section(_("Clinical note on the request")), paragraph(content.clinical_note)]
    return parts


def signature(content: ReportContent, seal: Any) -> Any:
    """Who signed when, beside the code that leads to the page which confirms it.

    Args:
        content: the report.
        seal: the code and its words, one flowable.
    """
    if content.signature and content.status is not ReportStatus.PRELIMINARY:
        words = [
            paragraph(_("Signed electronically by"), "label"),
            paragraph(content.signature.name, "bold"),
            paragraph(moment(content.signature.signed_at)),
            paragraph(_("Version %(version)s") % {"version": content.version}, "small"),
        ]
    else:
        words = [
            paragraph(_("Signed by"), "label"),
            paragraph(_("nobody yet: preliminary"), "notice"),
        ]
    table = Table([[words, seal]], colWidths=[WIDTH * 0.45, WIDTH * 0.55])
    table.setStyle(
        [
            ("BOX", (0, 0), (-1, -1), 0.5, LINE),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )
    return KeepTogether([Spacer(0, 4 * mm), table])


def limits(content: ReportContent) -> Any:
    """How the result came about and what it cannot say."""
    named = [each for each in content.cells if each.label]
    reviewed = sum(each.by_reviewer for each in named)
    models = "; ".join(f"{each['name']} ({each['weights_sha256'][:12]})" for each in content.models)
    said = [
        _(
            "Cells on digital images, named by a model and reviewed by people: %(model)s named by "
            "the model, %(reviewer)s confirmed or named by a reviewer."
        )
        % {"model": len(named) - reviewed, "reviewer": reviewed},
        _("Model: %(models)s.") % {"models": models or _("none has named a cell yet")},
        _(
            "The model knows eight classes. It has no class for blasts, smudge cells or artefacts "
            "and calls such cells one of its eight; only a reviewer can name them."
        ),
        _("Decision support for a trained reader. Not a diagnosis."),
    ]
    return KeepTogether(
        [section(_("Method and limits")), *(paragraph(each, "small") for each in said)]
    )


def unprintable(content: ReportContent) -> Any:
    """A sentence on letters the font lacks, where there are any."""
    written = (
        content.patient.name, content.patient.identifier, content.accession_number, content.stain,
        content.clinical_note, content.laboratory.name, content.laboratory.address,
        content.signature.name if content.signature else "",
        content.signature.comment if content.signature else "",
        *(each.text for each in content.findings),
    )  # fmt: skip
    if not any(REPLACEMENT in printable(each) for each in written):
        return None
    return paragraph(
        _(
            "Letters this report cannot print are shown as %(sign)s. The patient identifier and "
            "the laboratory's record say whose it is."
        )
        % {"sign": REPLACEMENT},
        "notice",
    )
