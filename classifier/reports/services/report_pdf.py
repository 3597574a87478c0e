"""A case's report as PDF, in the language it is asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from cases.templatetags.interface import moment

if TYPE_CHECKING:
    from classifier.reports.content import ReportContent
    from classifier.reports.services.cells_shown import CellShown
    from classifier.reports.services.field_shown import FieldShown


def report_pdf(
    *,
    content: ReportContent,
    cells: list[CellShown],
    language: str,
    address: str,
    field: FieldShown | None = None,
) -> bytes:
    """Write the report.

    Args:
        content: what it says.
        cells: the cells shown; none for a report without pictures.
        language: code of one of the site's languages.
        address: of the page that verifies it, absolute.
        field: the numbered field that is shown, if any.
    """
    with translation.override(language):
        return _written(content, cells, address, field)


def _written(
    content: ReportContent, cells: list[CellShown], address: str, field: FieldShown | None
) -> bytes:
    # ReportLab and its fonts are for those who ask for a report, not for every web process.
    from reportlab.lib.units import mm
    from reportlab.platypus import CondPageBreak

    from classifier.reports.pdf import differential, fields, fonts, parts, pictures
    from classifier.reports.pdf.document import NumberedCanvas, ReportDocument

    fonts.register()
    printed = _("Printed %(moment)s · decision support, not a diagnosis") % {
        "moment": moment(timezone.now())
    }
    story = [
        parts.identifiers(content),
        *parts.notices(content),
        *differential.table(content),
        *fields.table(content),
        *parts.findings(content),
        parts.signature(content, pictures.seal(address, content.digest)),
        parts.limits(content),
        parts.unprintable(content),
    ]
    if cells:
        story += [CondPageBreak(80 * mm), *pictures.cells_by_class(cells, content)]
    if field:
        story += [CondPageBreak(120 * mm), *fields.picture(field, content)]
    buffer = io.BytesIO()
    document = ReportDocument(buffer, content, printed=printed)
    document.build([each for each in story if each is not None], canvasmaker=NumberedCanvas)
    return buffer.getvalue()
