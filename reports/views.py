"""Pages and downloads of what leaves the laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views import View

from cases.policies import Action
from cases.views.base import PageMixin
from reports.services.cell_tables import cells_csv, cells_json
from reports.services.training_folder import (
    cells_by_class,
    reviewed_cells_of_case,
    reviewed_cells_of_laboratory,
    training_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from cases.models import SmearCase

CSV, JSON, ZIP = "text/csv; charset=utf-8", "application/json", "application/zip"


def file_name(case: SmearCase, what: str, ending: str) -> str:
    """A name for a downloaded file: ASCII, of the accession number, never of the patient."""
    return f"{slugify(case.accession_number) or case.pk}-{what}.{ending}"


def download(parts: Iterator[bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """Send a file piece by piece; nothing on the way keeps a copy."""
    answer = StreamingHttpResponse(parts, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


class CaseCellsView(PageMixin, View):
    """Every cell of a case as CSV or JSON."""

    def get(self, request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
        case = self.get_case(pk)
        write, content_type = (cells_csv, CSV) if ending == "csv" else (cells_json, JSON)
        name = file_name(case, "cells", ending)
        return download(write(case=case), name=name, content_type=content_type)


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
