"""What the fields of a case say, and one of them with its cells numbered."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from reportlab.lib.units import mm
from reportlab.platypus import Image, KeepTogether, Table

from cases.templatetags.interface import decimal
from cases.templatetags.results import border_rule_name, cell_kind_name, with_interval
from classifier.reports.pdf.parts import Dot, section
from classifier.reports.pdf.pictures import BARE
from classifier.reports.pdf.styles import LINE, WIDTH, paragraph

if TYPE_CHECKING:
    from classifier.reports.content import ReportContent
    from classifier.reports.services.field_shown import FieldShown


def table(content: ReportContent) -> list[Any]:
    """Means per field and the platelet estimate, each with its interval."""
    held = content.fields
    if not held:
        return []
    titles = (_("Cells"), _("Counted"), _("Mean per field (95 % interval)"))
    detector = (_("Precision (95 % interval)"), _("Recall (95 % interval)"))
    rows = [[paragraph(titles[0], "head"),
             *(paragraph(each, "head-right") for each in (*titles[1:], *detector))]]  # fmt: skip
    for each in held["kinds"]:
        name = cell_kind_name(each["kind"])
        rows.append(
            [
                paragraph(name[:1].upper() + name[1:], "text"),
                paragraph(str(each["count"]), "right"),
                paragraph(with_interval(each["per_field"]), "right"),
                paragraph(with_interval(each["precision"], "%"), "right"),
                paragraph(with_interval(each["recall"], "%"), "right"),
            ]
        )
    shares = (0.2, 0.1, 0.24, 0.23, 0.23)
    drawn = Table(rows, colWidths=[WIDTH * share for share in shares])
    drawn.setStyle([("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("TOPPADDING", (0, 0), (-1, -1), 2),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 2)])  # fmt: skip
    rule = border_rule_name(held["border_rule"])
    notes = [
        _("Fields of view: %(number)s; %(rule)s.") % {"number": held["fields"], "rule": rule},
        _platelets(held),
        _("Precision and recall of the detector hold as far as reviewers have looked."),
    ]
    return [
        KeepTogether([section(_("Fields of view")), drawn, paragraph(" ".join(notes), "small")])
    ]


def _platelets(held: Any) -> str:
    if not held["platelets"]:
        return _("No platelet count is estimated: the laboratory has not set its factor.")
    return _(
        "Platelet estimate: %(estimate)s × 10^9/L, the mean per field times %(factor)s per "
        "microlitre, the laboratory's factor."
    ) % {
        "estimate": with_interval(held["platelets"]),
        "factor": decimal(held["platelet_factor"], 0),
    }


def picture(field: FieldShown, content: ReportContent) -> list[Any]:
    """The field, its cells boxed in the colours of their classes, and what the colours mean."""
    image = Image(io.BytesIO(field.data), WIDTH, WIDTH * field.height / field.width)
    seen = [line for line in content.lines if line.count]
    legend = [[Dot(line.color), paragraph(line.name, "small")] for line in seen]
    middle = ("VALIGN", (0, 0), (-1, -1), "MIDDLE")
    cells = [
        Table([each], colWidths=[4 * mm, WIDTH / 4 - 4 * mm], style=[*BARE, middle])
        for each in legend
    ]
    lines = [cells[start : start + 4] for start in range(0, len(cells), 4)]
    lines = [[*line, *[""] * (4 - len(line))] for line in lines]
    whole = (
        _("Image %(number)s. Numbers are those of the cells; thin boxes are red cells.")
        if field.whole
        else _(
            "Part of image %(number)s. Numbers are those of the cells; thin boxes are red cells."
        )
    )
    parts = [section(_("Numbered field")), image,
             paragraph(whole % {"number": field.number}, "small")]  # fmt: skip
    if lines:
        parts.append(Table(lines, colWidths=[WIDTH / 4] * 4, style=[*BARE, middle]))
    return [KeepTogether(parts)]
