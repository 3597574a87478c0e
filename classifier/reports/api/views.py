"""The API of what leaves the laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.views import APIView

from cases.api.schema import problems
from cases.policies import policy_of
from cases.services.errors import Missing
from classifier.reports.services.fhir import MEDIA_TYPE
from classifier.reports.views import PDF, fhir_answer, pdf_answer

if TYPE_CHECKING:
    from django.http import HttpResponse

    from cases.models import SmearCase

CHOICES = [
    OpenApiParameter("id", int, OpenApiParameter.PATH),
    OpenApiParameter(
        "language", str, description="`en` or `es`; the patient's, or yours, when not given."
    ),
    OpenApiParameter(
        "version",
        int,
        description=(
            "A signed version; 0 for the case as it stands. When not given: the last signed "
            "version of a signed-off case, else the case as it stands, preliminary."
        ),
    ),
]
PICTURES = [
    OpenApiParameter("pictures", bool, description="With up to three cells of each class."),
    OpenApiParameter("heatmaps", bool, description="With the model's heatmaps beside them."),
]


def _case(request: Any, key: str) -> SmearCase:
    case: SmearCase | None = policy_of(request).cases().for_display().by_key(int(key))
    if case is None:
        raise Missing("not_found", _("There is no such case."))
    return case


class FhirView(APIView):
    """Cases for other systems."""

    @extend_schema(
        operation_id="cases_fhir_retrieve",
        parameters=CHOICES,
        responses={(200, MEDIA_TYPE): OpenApiTypes.OBJECT, **problems(400, 401, 404)},
    )
    def get(self, request: Any, id: str) -> HttpResponse:
        """A case as a FHIR R4 bundle: preliminary until it is signed, then final or amended."""
        return fhir_answer(request, _case(request, id), request.query_params)


class ReportView(APIView):
    """Reports for people."""

    @extend_schema(
        operation_id="cases_report_retrieve",
        parameters=[*CHOICES, *PICTURES],
        responses={(200, PDF): OpenApiTypes.BINARY, **problems(400, 401, 404)},
    )
    def get(self, request: Any, id: str) -> HttpResponse:
        """A case's report as PDF."""
        return pdf_answer(request, _case(request, id), request.query_params)
