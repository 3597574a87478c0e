"""The pages of a report: head and foot on each, numbered once their number is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

from classifier.reports.content import ReportContent, ReportStatus
from classifier.reports.pdf.fonts import BOLD, REGULAR, printable
from classifier.reports.pdf.styles import (
    ACCENT,
    AMBER,
    AMBER_WASH,
    GREY,
    INK,
    LINE,
    MARGIN,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    WIDTH,
)

if TYPE_CHECKING:
    from typing import BinaryIO

HEAD = 27 * mm
BAND = 7 * mm
FOOT = 14 * mm
ADDRESS_LINES = 3


def fitted(text: str, font: str, size: float, width: float) -> str:
    """Text cut to a width in points, with an ellipsis where something is missing."""
    text = printable(text)
    if stringWidth(text, font, size) <= width:
        return text
    while text and stringWidth(f"{text}…", font, size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


class NumberedCanvas(Canvas):
    """A canvas that writes "Page n of m" when all pages are known."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 7.2)
            self.setFillColor(GREY)
            words = _("Page %(number)s of %(total)s") % {
                "number": number,
                "total": len(self._pages),
            }
            self.drawRightString(PAGE_WIDTH - MARGIN, MARGIN - 3 * mm, words)
            super().showPage()
        super().save()


class ReportDocument(BaseDocTemplate):
    """A4 pages with the laboratory's head, the report's state, and whose report it is."""

    def __init__(self, file: BinaryIO, content: ReportContent, *, printed: str) -> None:
        self.report = content
        self.printed = printed
        self.preliminary = content.status is ReportStatus.PRELIMINARY
        top = HEAD + (BAND + 2 * mm if self.preliminary else 0)
        super().__init__(
            file,
            pagesize=(PAGE_WIDTH, PAGE_HEIGHT),
            title=f"{self.title_of_report} {content.accession_number}",
            author=content.laboratory.name,
            subject=self.state,
            creator="pbcsite",
        )
        frame = Frame(
            MARGIN,
            MARGIN + FOOT - 6 * mm,
            WIDTH,
            PAGE_HEIGHT - MARGIN - top - MARGIN - FOOT + 6 * mm,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        self.addPageTemplates(PageTemplate("page", [frame], onPage=self.draw_frame))

    @property
    def title_of_report(self) -> str:
        return _("Peripheral blood smear: differential")

    @property
    def state(self) -> str:
        """The report's state in words."""
        if self.preliminary:
            return _("Preliminary report")
        if self.report.status is ReportStatus.AMENDED:
            return _("Amended report, version %(version)s") % {"version": self.report.version}
        return _("Final report, version %(version)s") % {"version": self.report.version}

    def draw_frame(self, canvas: Any, _document: Any) -> None:
        """Draw what stands on every page."""
        if self.preliminary:
            self._watermark(canvas)
        self._head(canvas)
        self._foot(canvas)

    def _head(self, canvas: Any) -> None:
        laboratory = self.report.laboratory
        top = PAGE_HEIGHT - MARGIN
        left_width = WIDTH * 0.6
        canvas.setFillColor(INK)
        canvas.setFont(BOLD, 13)
        canvas.drawString(MARGIN, top - 4 * mm, fitted(laboratory.name, BOLD, 13, left_width))
        canvas.setFillColor(GREY)
        canvas.setFont(REGULAR, 7.6)
        contact = " · ".join(each for each in (laboratory.phone, laboratory.email) if each)
        lines = [each.strip() for each in laboratory.address.splitlines() if each.strip()]
        lines = [*lines[:ADDRESS_LINES], contact, laboratory.accreditation]
        for number, line in enumerate(each for each in lines if each):
            text = fitted(line, REGULAR, 7.6, left_width)
            canvas.drawString(MARGIN, top - 8.4 * mm - number * 3.4 * mm, text)

        right = PAGE_WIDTH - MARGIN
        canvas.setFillColor(ACCENT)
        canvas.setFont(BOLD, 10)
        canvas.drawRightString(
            right, top - 4 * mm, fitted(self.title_of_report, BOLD, 10, WIDTH * 0.42)
        )
        canvas.setFillColor(AMBER if self.preliminary else INK)
        canvas.setFont(BOLD, 8.5)
        canvas.drawRightString(right, top - 8.6 * mm, self.state)
        canvas.setFillColor(INK)
        canvas.setFont(REGULAR, 8.5)
        accession = fitted(self.report.accession_number, REGULAR, 8.5, WIDTH * 0.35)
        canvas.drawRightString(right, top - 12.8 * mm, accession)
        canvas.setStrokeColor(ACCENT)
        canvas.setLineWidth(1)
        canvas.line(MARGIN, top - HEAD + 2.5 * mm, right, top - HEAD + 2.5 * mm)
        if self.preliminary:
            self._band(canvas, top - HEAD)

    def _band(self, canvas: Any, top: float) -> None:
        canvas.setFillColor(AMBER_WASH)
        canvas.setStrokeColor(AMBER)
        canvas.setLineWidth(0.6)
        canvas.roundRect(MARGIN, top - BAND, WIDTH, BAND, 2, stroke=1, fill=1)
        canvas.setFillColor(AMBER)
        canvas.setFont(BOLD, 8.2)
        words = _("PRELIMINARY: nobody has signed this report; it may still change.")
        canvas.drawCentredString(PAGE_WIDTH / 2, top - BAND + 2.4 * mm, words)

    def _watermark(self, canvas: Any) -> None:
        canvas.saveState()
        canvas.setFillColor(AMBER, alpha=0.07)
        canvas.setFont(BOLD, 78)
        canvas.translate(PAGE_WIDTH / 2, PAGE_HEIGHT / 2 - 30 * mm)
        canvas.rotate(52)
        canvas.drawCentredString(0, 0, _("PRELIMINARY"))
        canvas.restoreState()

    def _foot(self, canvas: Any) -> None:
        bottom = MARGIN - 3 * mm
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, bottom + 7 * mm, PAGE_WIDTH - MARGIN, bottom + 7 * mm)
        canvas.setFillColor(GREY)
        canvas.setFont(REGULAR, 7.2)
        report = self.report
        whose = " · ".join(
            each
            for each in (report.patient.identifier, report.accession_number, report.patient.name)
            if each
        )
        canvas.drawString(MARGIN, bottom + 3.4 * mm, fitted(whose, REGULAR, 7.2, WIDTH))
        canvas.drawString(MARGIN, bottom, fitted(self.printed, REGULAR, 7.2, WIDTH * 0.75))
