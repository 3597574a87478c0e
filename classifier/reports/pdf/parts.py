"""The parts of a report between head and foot, as ReportLab's flowables."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table

from cases.models import Patient
from cases.templatetags.interface import day, moment
from classifier.reports.content import Person, ReportContent, ReportStatus, reopened_words
from classifier.reports.pdf.fonts import REPLACEMENT, SIGNS, printable
from classifier.reports.pdf.styles import LINE, WASH, WIDTH, paragraph

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
    if content.reopened:
        said.append(reopened_words())
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
    # The head and the foot of a page are set in one font alone.
    in_one_font = (
        content.patient.name, content.patient.identifier, content.accession_number,
        content.laboratory.name, content.laboratory.address,
    )  # fmt: skip
    in_paragraphs = (
        content.stain, content.clinical_note, content.amended.reason if content.amended else "",
        content.signature.name if content.signature else "",
        content.signature.comment if content.signature else "",
        *(each.text for each in content.findings),
    )  # fmt: skip
    printed = [
        *(printable(each) for each in in_one_font),
        *(printable(each, signs=SIGNS) for each in in_paragraphs),
    ]
    if not any(REPLACEMENT in each for each in printed):
        return None
    return paragraph(
        _(
            "Letters this report cannot print are shown as %(sign)s. The patient identifier and "
            "the laboratory's record say whose it is."
        )
        % {"sign": REPLACEMENT},
        "notice",
    )
