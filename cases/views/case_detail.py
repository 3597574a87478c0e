"""The case page and the parts of it that are fetched again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.urls import reverse
from django.views import View
from django_htmx.http import push_url, trigger_client_event

from cases.models import CaseImage
from cases.policies import Action
from cases.services.counts import case_counts
from cases.services.results import case_result
from cases.services.snapshots import differential_summary
from cases.views.base import PageMixin
from cases.views.gallery import GalleryFilter, gallery_context
from cases.views.workspace import workspace_context

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SmearCase
    from cases.policies import AccessPolicy
    from cases.services.counts import CaseCounts


def summary_context(case: SmearCase, counts: CaseCounts, policy: AccessPolicy) -> dict[str, Any]:
    """What the progress, the counts and the gallery's cards have in common."""
    named = sum(each.count for each in counts.classes)
    return {
        "case": case,
        "counts": counts,
        "finished": counts.total - counts.pending,
        "searching": _searched(case) if counts.fields_pending else 0,
        "chart": [
            {"label": each.name, "count": each.count, "color": each.color}
            for each in counts.classes
            if each.count
        ],
        "chart_slices": [(each.count, each.color) for each in counts.classes],
        "named": named,
        "unnamed": counts.total - named,
        "may_upload": policy.may(Action.UPLOAD, case.laboratory_id) and not case.is_frozen,
        "may_correct": policy.may(Action.CORRECT, case.laboratory_id) and not case.is_frozen,
        "may_sign": policy.may(Action.SIGN, case.laboratory_id) and not case.is_frozen,
        "may_amend": policy.may(Action.SIGN, case.laboratory_id) and case.is_frozen,
    }


def _searched(case: SmearCase) -> int:
    """Percent of the field that the worker has in hand, if any."""
    fields = CaseImage.objects.in_case(case.pk).unsearched().order_by("-search_progress")
    return fields.values_list("search_progress", flat=True).first() or 0


def differential_context(case: SmearCase, counts: CaseCounts) -> dict[str, Any]:
    """What the differential's table shows: three queries."""
    result = case_result(case=case, counts=counts)
    return {"held": differential_summary(result=result), "no_ranges": not result.has_ranges}


class CaseDetailView(PageMixin, View):
    """The review workspace: twelve queries or so, however many cells the case has.

    ``?class=`` opens it on one class, ``?review=1`` on what needs review, ``?show=`` on cells
    of another state.
    """

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        counts = case_counts(case=case)
        context = summary_context(case, counts, self.policy)
        context |= differential_context(case, counts)
        context |= workspace_context(
            case=case,
            counts=counts,
            user=self.person,
            role_corrects=self.policy.may(Action.CORRECT, case.laboratory_id),
            queue_first=GalleryFilter.read(request.GET).review,
        )
        return render(request, "cases/case_detail.html", context)


class CaseGalleryView(PageMixin, View):
    """The cells page by page, without the workspace's scripts; htmx asks for the gallery alone."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        counts = case_counts(case=case)
        context = summary_context(case, counts, self.policy)
        context |= gallery_context(case=case, counts=counts, query=request.GET)
        if not getattr(request, "htmx", False):
            return render(request, "cases/case_gallery.html", context)
        answer = render(request, "cases/partials/gallery.html", context)
        if "keep" in request.GET:  # refreshed in place: the address stays
            return answer
        page = context["page_obj"].number
        query = "&".join(
            part
            for part in (context["gallery_filter"].query, f"page={page}" if page > 1 else "")
            if part
        )
        return push_url(answer, reverse("case_gallery", args=[pk]) + (f"?{query}" if query else ""))


class CaseProgressView(PageMixin, View):
    """How far the model has come; the page asks again until nothing is pending.

    ``seen`` is the number of finished cells the page shows: when it has grown, the gallery is told
    to fetch itself again.
    """

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        counts = case_counts(case=case)
        context = summary_context(case, counts, self.policy) | {"out_of_band": True}
        context |= differential_context(case, counts)
        answer = render(request, "cases/partials/progress_answer.html", context)
        if request.GET.get("seen") != str(context["finished"]):
            trigger_client_event(answer, "cellsChanged", {"pending": counts.pending})
        return answer
