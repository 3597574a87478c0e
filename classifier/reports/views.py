"""Pages and downloads of what leaves the laboratory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import slugify
from django.views import View

from cases.policies import Action
from cases.views.base import PageMixin
from classifier.reports.forms import ReportForm, asked, usual_language, version_choices
from classifier.reports.pseudonyms import pseudonym
from classifier.reports.services.cell_tables import cells_csv, cells_json
from classifier.reports.services.cells_shown import cells_shown
from classifier.reports.services.contents import DRAFT, report_content
from classifier.reports.services.count_tables import (
    counts_csv,
    counts_json,
    counts_without_names,
)
from classifier.reports.services.fhir import MEDIA_TYPE, fhir_bundle
from classifier.reports.services.field_shown import field_shown
from classifier.reports.services.report_pdf import report_pdf
from classifier.reports.services.training_folder import (
    cells_by_class,
    reviewed_cells_of_case,
    reviewed_cells_of_laboratory,
    training_folder,
)
from classifier.reports.services.verification import DIGITS, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.http import HttpRequest, HttpResponseBase

    from cases.models import SmearCase
    from classifier.reports.content import ReportContent

CSV, JSON, ZIP = "text/csv; charset=utf-8", "application/json", "application/zip"
PDF = "application/pdf"


def asks_for_pseudonyms(request: HttpRequest) -> bool:
    """``?pseudonymous=1``: a table that may leave the laboratory."""
    return request.GET.get("pseudonymous") == "1"


def file_name(case: SmearCase, what: str, ending: str, *, pseudonymous: bool = False) -> str:
    """A name for a downloaded file: ASCII, of the accession number, never of the patient."""
    if pseudonymous:
        return f"{pseudonym('case', case.pk)}-{what}.{ending}"
    return f"{slugify(case.accession_number) or case.pk}-{what}.{ending}"


def download(parts: Iterator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """Send a file piece by piece; nothing on the way keeps a copy."""
    answer = StreamingHttpResponse(parts, content_type=content_type)
    _as_download(answer, name)
    return answer


def _as_download(answer: HttpResponseBase, name: str) -> None:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"


def verification_address(request: HttpRequest, content: ReportContent) -> str:
    """Where the code of a printed report leads, with the scheme and host."""
    place = reverse(
        "report_verify",
        args=[content.case_id, content.version or DRAFT, content.digest[:DIGITS]],
    )
    return request.build_absolute_uri(place)


def site_of(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def pdf_answer(request: HttpRequest, case: SmearCase, given: Mapping[str, Any]) -> HttpResponse:
    """The report as PDF, for pages and the API alike.

    Raises:
        ServiceError: ``invalid``.
        Missing: ``no_such_version``.
    """
    choices = asked(case, given)
    content = report_content(case=case, version=choices["version"])
    cells, field = [], None
    if choices["pictures"] or choices["heatmaps"]:
        cells = cells_shown(content=content, heatmaps=choices["heatmaps"])
        field = field_shown(content=content)
    data = report_pdf(
        content=content,
        cells=cells,
        field=field,
        language=choices["language"],
        address=verification_address(request, content),
    )
    what = f"v{content.version}" if content.version else "preliminary"
    name = file_name(case, f"report-{what}-{choices['language']}", "pdf")
    return attachment(data, name=name, content_type=PDF)


def fhir_answer(request: HttpRequest, case: SmearCase, given: Mapping[str, Any]) -> HttpResponse:
    """The case as a FHIR bundle, for pages and the API alike.

    Raises:
        ServiceError: ``invalid``.
        Missing: ``no_such_version``.
    """
    choices = asked(case, given)
    content = report_content(case=case, version=choices["version"])
    bundle = fhir_bundle(content=content, language=choices["language"], site=site_of(request))
    data = json.dumps(bundle, ensure_ascii=False, indent=2).encode()
    return attachment(data, name=file_name(case, "fhir", "json"), content_type=MEDIA_TYPE)


def attachment(data: bytes, *, name: str, content_type: str) -> HttpResponse:
    """Send a file that was made whole."""
    answer = HttpResponse(data, content_type=content_type)
    _as_download(answer, name)
    return answer


class CaseReportView(PageMixin, View):
    """What of a case can be taken away, and in which language and version."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        signed = list(self.policy.sign_offs().of_case(pk).without_snapshot())
        context = {
            "case": case,
            "form": ReportForm(initial={"language": usual_language(case), "pictures": True}),
            "languages": settings.LANGUAGES,
            "language": usual_language(case),
            "versions": version_choices(case, signed),
            "reviewed": 0,
            "may_train": self.policy.may(Action.CORRECT, case.laboratory_id),
        }
        if context["may_train"]:
            cells = reviewed_cells_of_case(user=self.person, case=case)
            context["reviewed"] = cells.of_predicted_classes().count()
        return render(request, "reports/case_report.html", context)


class CaseReportFileView(PageMixin, View):
    """The report as PDF."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return pdf_answer(request, self.get_case(pk), request.GET)


class CaseFhirFileView(PageMixin, View):
    """The case as a FHIR bundle."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return fhir_answer(request, self.get_case(pk), request.GET)


class CaseCountsView(PageMixin, View):
    """The counts of a case as CSV or JSON."""

    def get(self, request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
        case = self.get_case(pk)
        content = report_content(case=case, version=asked(case, request.GET)["version"])
        nameless = asks_for_pseudonyms(request)
        name = file_name(case, "counts", ending, pseudonymous=nameless)
        if ending == "csv":
            table = counts_csv(content=content, pseudonymous=nameless)
            return download(table, name=name, content_type=CSV)
        document = (counts_without_names if nameless else counts_json)(content=content)
        told = json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        return attachment(told.encode(), name=name, content_type=JSON)


class ReportVerifyView(PageMixin, View):
    """Whether a printed report is what the record holds; for members of the laboratory alone."""

    def get(self, request: HttpRequest, pk: int, version: str, digest: str) -> HttpResponse:
        case = self.get_case(pk)
        found = verify(case=case, version=int(version), digest=digest)
        context = {"case": case, "found": found, "version": int(version), "digest": digest}
        return render(request, "reports/verify.html", context)


class CaseCellsView(PageMixin, View):
    """Every cell of a case as CSV or JSON."""

    def get(self, request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
        case = self.get_case(pk)
        write, content_type = (cells_csv, CSV) if ending == "csv" else (cells_json, JSON)
        nameless = asks_for_pseudonyms(request)
        name = file_name(case, "cells", ending, pseudonymous=nameless)
        parts = write(case=case, pseudonymous=nameless)
        return download(parts, name=name, content_type=content_type)


class CaseTrainingFolderView(PageMixin, View):
    """The reviewed cells of one case as a training folder, for reviewers."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        case = self.get_case(pk, Action.CORRECT)
        cells = reviewed_cells_of_case(user=self.person, case=case)
        parts = training_folder(
            user=self.person, cells=cells, beyond_the_model=request.GET.get("classes") == "all"
        )
        # No accession number: the archive is pseudonymous, and so is its name.
        return download(parts, name="training-folder.zip", content_type=ZIP)


class TrainingPageView(PageMixin, View):
    """What the laboratories one manages have reviewed, and where to take it away."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.policy.require_anywhere(Action.MANAGE)
        rows = []
        for laboratory in self.policy.laboratories(Action.MANAGE):
            cells = reviewed_cells_of_laboratory(user=self.person, laboratory=laboratory)
            classes = cells_by_class(cells)
            rows.append(
                {
                    "laboratory": laboratory,
                    "classes": classes,
                    "total": sum(each["cells"] for each in classes),
                    "known": sum(each["cells"] for each in classes if each["cell_class"].predicted),
                }
            )
        return render(request, "reports/training.html", {"rows": rows})


class LaboratoryTrainingFolderView(PageMixin, View):
    """The reviewed cells of a laboratory as a training folder, for its administrators."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        laboratory = get_object_or_404(self.policy.laboratories(), pk=pk)
        self.demand(Action.MANAGE, laboratory.pk)
        cells = reviewed_cells_of_laboratory(user=self.person, laboratory=laboratory)
        parts = training_folder(
            user=self.person, cells=cells, beyond_the_model=request.GET.get("classes") == "all"
        )
        return download(parts, name="training-folder.zip", content_type=ZIP)
