"""The quick look: pictures in, names, numbers and heatmaps out, without a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import View
from django_htmx.http import HttpResponseClientRefresh

from cases.failures import failure_message
from cases.models import CellClass, SmearCase
from cases.policies import Action
from cases.services.errors import ServiceError
from cases.views.base import PageMixin
from classifier.heatmaps import heatmap_png
from classifier.policies import quick_looks_of
from classifier.services import quick_looks
from classifier.views import HEATMAP_SIZE, legend_stops, probabilities_of

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from cases.policies import AccessPolicy
    from classifier.models import QuickLook, QuickLookPicture

CASES_OFFERED = 100


class AddToCaseForm(forms.Form):
    """The open cases the reader may upload to, the newest first."""

    case = forms.ModelChoiceField(
        label=gettext_lazy("Case"),
        queryset=SmearCase.objects.none(),
        empty_label=gettext_lazy("Choose a case"),
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={
            "required": gettext_lazy("Choose the case the pictures belong to."),
            "invalid_choice": gettext_lazy("That case is not open any more; choose another."),
        },
    )

    def __init__(self, policy: AccessPolicy, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.open = policy.cases(Action.UPLOAD).not_frozen()
        field: Any = self.fields["case"]
        field.queryset = self.open
        offered = self.open.select_related("laboratory").order_by("-id")[:CASES_OFFERED]
        field.choices = [
            ("", field.empty_label),
            *((each.pk, f"{each.accession_number} · {each.laboratory.name}") for each in offered),
        ]


class QuickLookMixin(PageMixin):
    """A page about one of the reader's own looks; whose time is up is not there."""

    def look(self, pk: uuid.UUID) -> QuickLook:
        found: QuickLook = get_object_or_404(
            quick_looks_of(self.policy).select_related("model_version"), pk=pk
        )
        return found

    def picture(self, pk: uuid.UUID, number: int) -> QuickLookPicture:
        look = self.look(pk)
        picture: QuickLookPicture = get_object_or_404(look.pictures.all(), number=number)
        picture.quick_look = look
        return picture


class QuickLookView(PageMixin, View):
    """Where pictures are dropped."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        self.demand_anywhere()
        try:
            look, refused = quick_looks.start_quick_look(
                user=self.person, files=request.FILES.getlist("files")
            )
        except ServiceError as error:
            return self.page(request, refused=[("", error.message)], status=error.status)
        if look is None:
            return self.page(request, refused=refused, status=422)
        for name, reason in refused:
            messages.warning(request, f"{name}: {reason}")
        return redirect("quick_look_detail", look.pk)

    def demand_anywhere(self) -> None:
        if not self.policy.may_anywhere(Action.UPLOAD):
            raise PermissionDenied

    def page(
        self,
        request: HttpRequest,
        *,
        refused: list[tuple[str, Any]] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        self.demand_anywhere()
        context = {
            "refused": refused or [],
            "most": settings.QUICK_LOOK_MAX_FILES,
            "megabytes": settings.QUICK_LOOK_MAX_BYTES // 1024**2,
            "minutes": settings.QUICK_LOOK_MINUTES,
            "formats": ", ".join(settings.UPLOAD_FORMATS),
        }
        return render(request, "classifier/explain/quick_look.html", context, status=status)


class QuickLookDetailView(QuickLookMixin, View):
    """The answer: pie and numbers, the pictures, and for one of them its heatmap."""

    def get(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        look = look_or_gone(request, self.policy, pk)
        if isinstance(look, HttpResponse):
            return look
        quick_looks.stay(look=look)
        return answer_page(request, self.policy, look)


def look_or_gone(
    request: HttpRequest, policy: AccessPolicy, pk: uuid.UUID
) -> QuickLook | HttpResponse:
    """The reader's look, or a page that says it is gone: somebody else's looks just the same."""
    look: QuickLook | None = (
        quick_looks_of(policy).select_related("model_version").filter(pk=pk).first()
    )
    if look is None:
        return render(request, "classifier/explain/quick_look_gone.html", status=404)
    return look


def answer_page(
    request: HttpRequest,
    policy: AccessPolicy,
    look: QuickLook,
    *,
    form: AddToCaseForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of a look, finished or not."""
    pictures = list(look.pictures.defer("data", "heatmaps").select_related("predicted_class"))
    wanted = request.GET.get("picture", "")
    shown = next((each for each in pictures if str(each.number) == wanted), pictures[0])
    shown.quick_look = look
    classes = {each.code: each for each in CellClass.objects.all()}
    named = [each for each in pictures if each.predicted_class]
    context: dict[str, Any] = {
        "look": look,
        "pictures": pictures,
        "shown": shown,
        "failures": {each.pk: failure_message(each.failure_code) for each in pictures},
        "shown_failure": failure_message(shown.failure_code),
        "look_failure": failure_message(look.failure_code),
        "unfamiliar": sum(each.unfamiliar for each in pictures),
        "knows_strangers": bool(
            look.model_version and look.model_version.manifest.get("unfamiliar")
        ),
        "class_rows": class_rows(named, classes),
        "form": form or AddToCaseForm(policy),
        "legend_stops": legend_stops(),
        "minutes": settings.QUICK_LOOK_MINUTES,
        "threshold": look.model_version.review_threshold if look.model_version else None,
    }
    context["class_slices"] = [
        (row["count"], row["cell_class"].color) for row in context["class_rows"]
    ]
    if shown.predicted_class:
        rows = probabilities_of(shown, classes)
        context["probabilities"] = rows
        context["slices"] = [(row["probability"], row["cell_class"].color) for row in rows]
        query = urlencode({"size": HEATMAP_SIZE})
        context["heatmap_url"] = (
            reverse("quick_look_heatmap", args=[look.pk, shown.number]) + f"?{query}"
        )
        context["doubtful"] = (
            context["threshold"] is not None and shown.confidence < context["threshold"]
        )
    return render(request, "classifier/explain/quick_look_answer.html", context, status=status)


def class_rows(
    named: list[QuickLookPicture], classes: dict[str, CellClass]
) -> list[dict[str, Any]]:
    """How many familiar pictures got each class, the most frequent first."""
    counts: dict[int, int] = {}
    familiar = [each for each in named if not each.unfamiliar]
    for each in familiar:
        counts[each.predicted_class_id] = counts.get(each.predicted_class_id, 0) + 1  # type: ignore[index,arg-type]
    rows = [
        {"cell_class": each, "count": counts[each.pk], "share": counts[each.pk] / len(familiar)}
        for each in classes.values()
        if each.pk in counts
    ]
    return sorted(rows, key=lambda row: -row["count"])


class QuickLookProgressView(QuickLookMixin, View):
    """Asked while the worker has not answered; then the page is loaded again."""

    def get(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        look = quick_looks_of(self.policy).filter(pk=pk).first()
        if look is None or not look.is_unfinished:
            return HttpResponseClientRefresh()
        return render(request, "classifier/explain/quick_look_waiting.html", {"look": look})


class QuickLookLeaveView(QuickLookMixin, View):
    """The browser says the page was left; or, by the button, everything is to go now."""

    def post(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        look = self.look(pk)
        if "now" in request.POST:
            quick_looks.discard(pk=look.pk)
            messages.success(request, _("Everything of the quick look is deleted."))
            return redirect("quick_look")
        quick_looks.leave(look=look, visit=request.POST.get("visit", ""))
        return HttpResponse(status=204)


class QuickLookAddView(QuickLookMixin, View):
    """Put the pictures into a case, by the ordinary upload."""

    def post(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        look = self.look(pk)
        form = AddToCaseForm(self.policy, request.POST)
        if not form.is_valid():
            return answer_page(request, self.policy, look, form=form, status=422)
        case = form.cleaned_data["case"]
        answers = quick_looks.add_to_case(look=look, case=case, user=self.person)
        accepted = sum(each.outcome == "accepted" for each in answers)
        text = ngettext(
            "%(count)s picture was added to the case.",
            "%(count)s pictures were added to the case.",
            accepted,
        )
        messages.success(request, text % {"count": accepted})
        for each in answers:
            if each.outcome != "accepted":
                messages.warning(request, f"{each.name}: {each.message}")
        return redirect("case_detail", case.pk)


class QuickLookPhotoView(QuickLookMixin, View):
    """A picture as it was sent, without its metadata."""

    def get(self, request: HttpRequest, pk: uuid.UUID, number: int) -> HttpResponse:
        picture = self.picture(pk, number)
        kind = {"jpg": "image/jpeg", "png": "image/png"}.get(picture.extension)
        if kind is None:
            raise Http404
        return _private(HttpResponse(bytes(picture.data), content_type=kind))


class QuickLookHeatmapView(QuickLookMixin, View):
    """A class's heatmap of a picture as a transparent PNG."""

    def get(self, request: HttpRequest, pk: uuid.UUID, number: int) -> HttpResponse:
        picture = self.picture(pk, number)
        if not picture.predicted_class:
            raise Http404
        code = request.GET.get("class", picture.predicted_class.code)
        try:
            data = heatmap_png(picture, class_code=code, size=HEATMAP_SIZE, alpha=1)
        except KeyError as error:
            raise Http404 from error
        return _private(HttpResponse(data, content_type="image/png"))


def _private(answer: HttpResponse) -> HttpResponse:
    """No copy stays behind in the browser."""
    answer["X-Content-Type-Options"] = "nosniff"
    patch_cache_control(answer, private=True, no_store=True)
    return answer
