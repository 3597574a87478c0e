"""Pages of the model's side: a cell with its explanation, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views import View

from cases.failures import failure_message
from cases.forms import CorrectionForm
from cases.models import CaseImage, Cell, CellClass, CellFlag, Correction
from cases.models.image import WorkState
from cases.policies import Action
from cases.services.errors import ServiceError
from cases.views.base import PageMixin
from cases.views.correct import (
    cell_for_display,
    correct_as_asked,
    correction_context,
    done_message,
)
from cases.views.gallery import GalleryFilter
from classifier import colormap
from classifier.policies import predictions_of
from classifier.services.queue import retry_failed

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.policies import AccessPolicy
    from classifier.models import Prediction, QuickLookPicture

FAILURES_SHOWN = 100
LEGEND_STOPS = 9
HEATMAP_SIZE = 768


def legend_stops() -> list[dict[str, str]]:
    """The colour map as an SVG gradient: offsets and colours at equal steps."""
    stops = []
    for step in range(LEGEND_STOPS):
        index = 3 * round(255 * step / (LEGEND_STOPS - 1))
        red, green, blue = colormap.PALETTE[index : index + 3]
        offset = f"{step / (LEGEND_STOPS - 1):.3f}"
        stops.append({"offset": offset, "color": f"#{red:02x}{green:02x}{blue:02x}"})
    return stops


def probabilities_of(
    prediction: Prediction | QuickLookPicture, classes: dict[str, CellClass]
) -> list[dict[str, Any]]:
    """The model's classes with their probabilities, the most probable first."""
    pairs = zip(prediction.model_version.classes, prediction.probabilities, strict=True)
    rows = [{"cell_class": classes[code], "probability": value} for code, value in pairs]
    return sorted(rows, key=lambda row: -row["probability"])


def explanation_context(policy: AccessPolicy, cell: Cell) -> dict[str, Any]:
    """What the model says of a cell, and what was done to it: five queries."""
    predictions = list(
        predictions_of(policy).of_cell(cell).without_blobs().with_model_and_class().naming_first()
    )
    prediction = predictions[0] if predictions else None
    classes = {each.code: each for each in CellClass.objects.all()}
    probabilities = probabilities_of(prediction, classes) if prediction else []
    heatmap = ""
    if prediction:
        query = urlencode({"size": HEATMAP_SIZE, "alpha": 1})
        heatmap = reverse("api-cell-heatmap", kwargs={"id": cell.pk}) + f"?{query}"
    return {
        "prediction": prediction,
        "probabilities": probabilities,
        "donut_slices": [(row["probability"], row["cell_class"].color) for row in probabilities],
        "events": history_of(cell, predictions),
        "heatmap_url": heatmap,
        "legend_stops": legend_stops(),
        "failure": failure_message(cell.failure_code),
    }


def history_of(cell: Cell, predictions: list[Prediction]) -> list[dict[str, Any]]:
    """Corrections, flags and predictions of a cell, the latest first: two queries."""
    corrections = Correction.objects.of_cell(cell.pk).for_display().select_related("batch")
    flags = CellFlag.objects.of_cell(cell.pk).for_display()
    events = [
        *({"kind": "correction", "at": each.made_at, "row": each} for each in corrections),
        *({"kind": "flag", "at": each.made_at, "row": each} for each in flags),
        *({"kind": "prediction", "at": each.made_at, "row": each} for each in predictions),
    ]
    return sorted(events, key=lambda event: event["at"], reverse=True)


class CellInspectorView(PageMixin, View):
    """The workspace's right pane for one cell: photo, heatmaps, probabilities, history."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        cell = cell_for_display(self.policy, pk)
        context = {"cell": cell, "case": cell.case, **explanation_context(self.policy, cell)}
        return render(request, "classifier/partials/inspector.html", context)


class CellDetailView(PageMixin, View):
    """One cell: photo, heatmap, probabilities, history and the reclassify control.

    The gallery's filter travels in the address, so that previous and next stay within it.
    """

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.page(request, cell_for_display(self.policy, pk))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Correct the cell, then show it again or go on to the next."""
        cell = cell_for_display(self.policy, pk)
        self.demand(Action.CORRECT, cell.case.laboratory_id)
        chosen = GalleryFilter.read(request.GET)
        following = self.neighbours(cell, chosen)["next"]
        form = CorrectionForm(request.POST)
        try:
            correction = correct_as_asked(cell=cell, user=self.person, form=form)
        except ServiceError as error:
            cell = cell_for_display(self.policy, pk)
            return self.page(request, cell, form=form, error=error)
        messages.success(request, done_message(cell, correction))
        goal = following if "save_next" in request.POST and following else pk
        query = f"?{chosen.query}" if chosen.query else ""
        return redirect(reverse("cell_detail", args=[goal]) + query)

    def neighbours(self, cell: Cell, chosen: GalleryFilter) -> dict[str, int | None]:
        """The keys of the cells before and after this one in the gallery's order."""
        cells = chosen.apply(Cell.objects.of_case(cell.case_id).counted())
        before = cells.read_before(cell).most_confident_first().values_list("pk", flat=True)
        after = cells.read_after(cell).least_confident_first().values_list("pk", flat=True)
        return {"previous": before.first(), "next": after.first()}

    def page(
        self,
        request: HttpRequest,
        cell: Cell,
        *,
        form: CorrectionForm | None = None,
        error: ServiceError | None = None,
    ) -> HttpResponse:
        context = correction_context(cell, form=form, error=error)
        chosen = GalleryFilter.read(request.GET)
        case = cell.case
        context |= {
            "case": case,
            **explanation_context(self.policy, cell),
            "gallery_filter": chosen,
            "may_change_kind": self.policy.may(Action.UPLOAD, case.laboratory_id)
            and not case.is_frozen,
            "may_correct": self.policy.may(Action.CORRECT, case.laboratory_id)
            and not case.is_frozen,
            **self.neighbours(cell, chosen),
        }
        status = error.status if error else 200
        return render(request, "classifier/cell_detail.html", context, status=status)


class CaseFailuresView(PageMixin, View):
    """The failed images of a case with the reasons (GET), and another try for them (POST)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        cells = Cell.objects.of_case(pk).failed().with_image()[: FAILURES_SHOWN + 1]
        rows = [
            {"cell": cell, "reason": failure_message(cell.failure_code)}
            for cell in cells[:FAILURES_SHOWN]
        ]
        fields = CaseImage.objects.in_case(pk).unsearched().filter(state=WorkState.FAILED)
        context = {
            "case": case,
            "rows": rows,
            "fields": [
                {"image": image, "reason": failure_message(image.failure_code)}
                for image in fields.order_by("number")[:FAILURES_SHOWN]
            ],
            "more": len(cells) > FAILURES_SHOWN,
            "may_retry": self.policy.may(Action.UPLOAD, case.laboratory_id) and not case.is_frozen,
        }
        return render(request, "classifier/partials/failures.html", context)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.UPLOAD)
        count = retry_failed(user=self.person, case=case)
        text = ngettext(
            "%(count)s cell is queued again.", "%(count)s cells are queued again.", count
        )
        messages.success(request, text % {"count": count})
        return redirect("case_detail", pk)
