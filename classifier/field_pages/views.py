"""Pages of fields: the list of a case's fields, one field, and what its scripts ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.gzip import gzip_page

from cases.models import CaseImage, CellClass, Detection
from cases.models.image import WorkState
from cases.policies import Action
from cases.services.doorbell import ring_task
from cases.services.searches import change_kind
from cases.views.base import PageMixin
from classifier.field_pages.boxes import boxes_answer, picture_state, read_rectangle, search_state
from classifier.field_pages.texts import texts
from classifier.services import tiles
from classifier.services.queue import retry_failed
from classifier.tiles.models import needs_tiles
from classifier.tiles.pyramid import TILE, levels_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SmearCase

FIELDS_PER_PAGE = 24
OTHER_FIELDS = 500
POLL_MILLISECONDS = 3000
# Of cells without a class: white cells the model has not named, platelets, red cells.
COLORS = {
    Detection.Kind.WHITE_CELL: "#5b6675",
    Detection.Kind.PLATELET: "#8a6d00",
    Detection.Kind.RED_CELL: "#c2304a",
}


class FieldMixin(PageMixin):
    """A view of one field of a case."""

    def get_field(self, case: SmearCase, number: int) -> CaseImage:
        """The field of a case with its pyramid: 404 when there is none of that number."""
        fields = self.policy.images().in_case(case.pk).filter(kind=CaseImage.Kind.FIELD)
        image: CaseImage = get_object_or_404(fields.select_related("pyramid"), number=number)
        image.case = case
        return image

    def may_change(self, case: SmearCase) -> bool:
        return self.policy.may(Action.CORRECT, case.laboratory_id) and not case.is_frozen


class FieldListView(PageMixin, View):
    """The images of a case that show fields, with their numbers of cells; the others below."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        fields = self.policy.images().in_case(pk).filter(kind=CaseImage.Kind.FIELD)
        ordered = fields.select_related("pyramid").order_by("number")
        page = Paginator(ordered, FIELDS_PER_PAGE).get_page(request.GET.get("page"))
        counts: dict[int, dict[str, int]] = {}
        tally = Detection.objects.filter(image__in=[each.pk for each in page]).counted()
        for row in tally.by_image_and_kind():
            counts.setdefault(row["image_id"], {})[row["kind"]] = row["cells"]
        rows = [
            {
                "image": each,
                "counts": counts.get(each.pk, {}),
                "search": search_state(each),
                "picture": picture_state(each),
            }
            for each in page
        ]
        context = {
            "case": case,
            "page": page,
            "rows": rows,
            "may_change_kind": self.policy.may(Action.UPLOAD, case.laboratory_id)
            and not case.is_frozen,
            "single_cell": CaseImage.Kind.SINGLE_CELL,
        }
        return render(request, "classifier/fields/list.html", context)


class FieldView(FieldMixin, View):
    """One field in deep zoom, with its numbered cells; ``?cell=N`` shows cell N of the case."""

    def get(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        case = self.get_case(pk)
        image = self.get_field(case, number)
        if needs_tiles(image) and getattr(image, "pyramid", None) is None:
            ring_task(settings.TILE_TASK)
        numbers = list(
            CaseImage.objects.in_case(pk)
            .filter(kind=CaseImage.Kind.FIELD)
            .order_by("number")
            .values_list("number", flat=True)[:OTHER_FIELDS]
        )
        context = {
            "case": case,
            "image": image,
            "previous": max((each for each in numbers if each < number), default=None),
            "next": min((each for each in numbers if each > number), default=None),
            "field": self.scripts_context(case, image, [n for n in numbers if n != number]),
            "may_correct": self.may_change(case),
            "may_upload": self.policy.may(Action.UPLOAD, case.laboratory_id) and not case.is_frozen,
            "kinds": Detection.Kind.choices,
        }
        return render(request, "classifier/fields/field.html", context)

    def chosen(self, image: CaseImage) -> Detection | None:
        """The cell the address names: by its number in the case, or in the field."""
        detections = Detection.objects.filter(image=image)
        for name, lookup in (("cell", "cell__number"), ("box", "number")):
            text = self.request.GET.get(name, "")
            if text.isdecimal() and len(text) < 10:
                return detections.filter(**{lookup: int(text)}).first()
        return None

    def scripts_context(
        self, case: SmearCase, image: CaseImage, others: list[int]
    ) -> dict[str, Any]:
        chosen = self.chosen(image)
        place = [case.pk, image.number]
        return {
            "image": {"id": image.pk, "width": image.width, "height": image.height},
            "tiles": {
                "size": TILE,
                "maxLevel": levels_of(image.width, image.height)[0].number,
            }
            if needs_tiles(image)
            else None,
            "fields": others,
            "chosen": chosen.pk if chosen else None,
            "chosenBox": chosen.box.as_dict() if chosen else None,
            "state": {"picture": picture_state(image), "search": search_state(image)},
            "mayCorrect": self.may_change(case),
            "pollMilliseconds": POLL_MILLISECONDS,
            "sprite": static("icons/sprite.svg"),
            "colors": COLORS,
            "classes": [
                {"order": each.order, "name": each.name, "color": each.color, "code": each.code}
                for each in CellClass.objects.all()
            ],
            "urls": {
                "boxes": reverse("field_boxes", args=place),
                "otherBoxes": reverse("field_boxes", args=[case.pk, 0]),
                "detections": reverse("api-detection-list"),
                "detection": reverse("api-detection-detail", kwargs={"pk": 0}),
                "inspector": reverse("cell_inspector", args=[0]),
                "photo": reverse("cell_photo", args=[0]),
                "file": reverse("image_file", args=[image.pk]),
                "tile": reverse("image_tile", args=[image.pk, 0, 0, 0]),
                "workspace": reverse("case_detail", args=[case.pk]),
            },
            "texts": texts(),
        }


@method_decorator(gzip_page, name="dispatch")
class FieldBoxesView(FieldMixin, View):
    """The cells of a field as compact rows, and how far the work on it has come.

    ``since`` asks for what changed after a revision of the case, ``rectangle`` for what is in sight
    of a field with more than 5,000 cells, ``kind`` for the cells of one kind.
    """

    def get(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        case = self.get_case(pk)
        image = self.get_field(case, number)
        since = request.GET.get("since", "")
        kind = request.GET.get("kind", "")
        answer = boxes_answer(
            image=image,
            may=self.may_change(case),
            since=int(since) if since.isdecimal() and len(since) < 10 else None,
            rectangle=read_rectangle(request.GET.get("rectangle", "")),
            kind=kind if kind in Detection.Kind.values else "",
        )
        return JsonResponse(answer)


class FieldRetryView(FieldMixin, View):
    """Another try for a field whose picture or search failed."""

    def post(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        case = self.get_case(pk, Action.UPLOAD)
        image = self.get_field(case, number)
        tiles.retry(user=self.person, image=image)
        if image.searched_at is None and image.state == WorkState.FAILED:
            retry_failed(user=self.person, case=case)
        messages.success(request, _("The field is queued again."))
        return redirect("field", pk, number)


class ImageKindView(PageMixin, View):
    """Correct what an image shows: one cell, or a field."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        image = get_object_or_404(self.policy.images().select_related("case"), pk=pk)
        self.demand(Action.UPLOAD, image.case.laboratory_id)
        changed = change_kind(user=self.person, image=image, kind=request.POST.get("kind", ""))
        if changed.kind == CaseImage.Kind.FIELD:
            messages.success(
                request,
                _("Image %(number)s is a field now; its cells are looked for.")
                % {"number": image.number},
            )
            return redirect("field", image.case_id, image.number)
        messages.success(
            request, _("Image %(number)s is a single cell now.") % {"number": image.number}
        )
        return redirect("field_list", image.case_id)
