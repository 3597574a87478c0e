"""Adding images to a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from cases.policies import Action
from cases.services.errors import Conflict, ServiceError
from cases.services.uploads import AUTO, store_images
from cases.views.base import PageMixin, wants_json

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SmearCase
    from cases.services.uploads import FileAnswer

OUTCOMES_SHOWN_AS = {"accepted": "green", "duplicate": "yellow", "rejected": "red"}


def outcome_as_json(answer: FileAnswer) -> dict[str, Any]:
    return {
        "name": answer.name,
        "outcome": answer.outcome,
        "code": answer.code,
        "message": str(answer.message),
        "color": OUTCOMES_SHOWN_AS[answer.outcome],
    }


class CaseUploadView(PageMixin, View):
    """The upload page. Its script sends one file at a time and reads JSON; without the script the
    same form posts all files at once and the answers come as a page."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.UPLOAD)
        return self.page(request, case, [])

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.UPLOAD)
        files = request.FILES.getlist("files")
        if not files:
            raise ServiceError("no_files", _("No file was sent. Choose at least one."))
        kind = request.POST.get("kind", AUTO)
        answers = list(store_images(case=case, user=self.person, files=files, kind=kind))
        if wants_json(request):
            return JsonResponse({"results": [outcome_as_json(each) for each in answers]})
        return self.page(request, case, [outcome_as_json(each) for each in answers])

    def page(
        self, request: HttpRequest, case: SmearCase, answers: list[dict[str, Any]]
    ) -> HttpResponse:
        if case.is_frozen:
            raise Conflict("case_signed_off", _("This case is signed off; no image can be added."))
        context = {
            "case": case,
            "answers": answers,
            "upload_url": reverse("case_upload", args=[case.pk]),
            "megabytes": settings.UPLOAD_MAX_BYTES // 1024**2,
            "zip_megabytes": settings.ZIP_MAX_BYTES // 1024**2,
            "zip_entries": settings.ZIP_MAX_ENTRIES,
            "field_megapixels": settings.FIELD_MAX_PIXELS // 1_000_000,
            "field_megabytes": settings.FIELD_MAX_BYTES // 1024**2,
            "formats": ", ".join(settings.UPLOAD_FORMATS),
        }
        return render(request, "cases/upload.html", context)
