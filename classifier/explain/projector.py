"""The projector: cells as points in three dimensions, and what stands out among them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_cache_control
from django.views import View
from django_htmx.http import HttpResponseClientRefresh

from cases.failures import failure_message
from cases.models import Cell, CellClass
from cases.models.image import WorkState
from cases.services.errors import ServiceError
from cases.views.base import PageMixin
from classifier.explain.labelled import labelled_cells
from classifier.explain.neighbourhood import UNNAMED, intrusions, suspects
from classifier.explain.projection_form import ProjectionForm
from classifier.explain.projection_picture import draw_picture
from classifier.models import Prediction, Projection
from classifier.policies import projections_of
from classifier.services.projections import MOST, cells_of, request_projection, shown_values
from ml.references import COLUMNS, place_in_atlas

if TYPE_CHECKING:
    from django.http import HttpRequest
    from numpy.typing import NDArray


RECENT_SHOWN = 20
SUSPECTS_A_PAGE = 24
SELECTED_A_PAGE = 48


class ProjectorView(PageMixin, View):
    """What was computed before, and the form for more."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = {name: request.GET[name] for name in ("case", "source") if name in request.GET}
        initial = {"month": date.today().strftime("%Y-%m"), **asked}
        return self.page(request, ProjectionForm(self.policy, initial=initial))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ProjectionForm(self.policy, request.POST)
        if not self.policy.memberships:
            raise Http404
        if not form.is_valid():
            return self.page(request, form, status=422)
        try:
            projection = request_projection(user=self.person, **form.cleaned_data)
        except ServiceError as error:
            form.add_error(None, error.message)
            return self.page(request, form, status=error.status)
        return redirect("projection_detail", projection.pk)

    def page(
        self, request: HttpRequest, form: ProjectionForm, *, status: int = 200
    ) -> HttpResponse:
        pages = Paginator(projections_of(self.policy).for_display(), RECENT_SHOWN)
        context = {
            "form": form,
            "page_obj": pages.get_page(request.GET.get("page")),
            "most": MOST,
        }
        return render(request, "classifier/explain/projector.html", context, status=status)


class ProjectionMixin(PageMixin):
    """A page about one projection the reader may see."""

    def projection(self, pk: int) -> Projection:
        found: Projection = get_object_or_404(projections_of(self.policy).for_display(), pk=pk)
        return found

    def finished(self, pk: int) -> Projection:
        projection = self.projection(pk)
        if projection.state != WorkState.DONE:
            raise Http404
        return projection


class Names:
    """What the cells of a projection are called now: by the label and by the prediction.

    Attributes:
        classes: the site's classes in their order.
        labels: int64 (n,), places in ``classes``, :data:`UNNAMED` for none.
        predictions: the same for what the model said.
        numbers: cells' numbers in their cases, or places in the test set.
        names: file names of a test set, otherwise nothing.
    """

    def __init__(self, projection: Projection, keys: NDArray[np.int64]) -> None:
        self.classes = list(CellClass.objects.all())
        self.names: tuple[str, ...] = ()
        self.labels = np.full(len(keys), UNNAMED, np.int64)
        self.predictions = np.full(len(keys), UNNAMED, np.int64)
        if projection.source == Projection.Source.TEST:
            self._read_test_set(projection, keys)
        else:
            self._read_cells(projection, keys)

    def _read_test_set(self, projection: Projection, keys: NDArray[np.int64]) -> None:
        cells = labelled_cells(projection.model_version).get("test")
        if cells is None:
            raise Http404
        places = {each.code: place for place, each in enumerate(self.classes)}
        order = np.array([places[code] for code in projection.model_version.classes])
        self.labels = order[cells.labels[keys]]
        self.predictions = order[cells.predictions[keys]]
        self.names = tuple(cells.names[key] for key in keys)

    def _read_cells(self, projection: Projection, keys: NDArray[np.int64]) -> None:
        places = {each.pk: place for place, each in enumerate(self.classes)}
        rows = {int(key): place for place, key in enumerate(keys)}
        for pk, label in cells_of(projection).values_list("pk", "label_id"):
            if pk in rows and label is not None:
                self.labels[rows[pk]] = places[label]
        said = Prediction.objects.of_present_box().filter(
            cell__in=cells_of(projection), model_version_id=projection.model_version_id
        )
        for pk, predicted in said.values_list("cell_id", "predicted_class_id"):
            if pk in rows:
                self.predictions[rows[pk]] = places[predicted]

    def chosen(self, color: str) -> NDArray[np.int64]:
        return self.predictions if color == "prediction" else self.labels

    def of(self, place: int) -> CellClass | None:
        return None if place == UNNAMED else self.classes[place]


class ProjectionView(ProjectionMixin, View):
    """The plot with its tables, or how far the worker has come."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.projection(pk)
        context: dict[str, Any] = {
            "projection": projection,
            "failure": failure_message(projection.failure_code),
            "color": read_color(request),
        }
        if projection.state == WorkState.DONE:
            context |= self.tables(request, projection)
        return render(request, "classifier/explain/projection.html", context)

    def tables(self, request: HttpRequest, projection: Projection) -> dict[str, Any]:
        values = shown_values(projection)
        names = Names(projection, values["cells"])
        found = suspects(names.labels, values["neighbours"])
        page = Paginator(found, SUSPECTS_A_PAGE).get_page(request.GET.get("page"))
        shares = intrusions(names.labels, values["neighbours"], classes=len(names.classes))
        present = [place for place in range(len(names.classes)) if (names.labels == place).any()]
        return {
            "page_obj": page,
            "suspects": tiles(
                projection,
                names,
                values["cells"],
                [each.place for each in page],
                more=[
                    {"share": each.disagreeing, "suggested": names.of(each.suggested)}
                    for each in page
                ],
            ),
            "legend": legend(names),
            "present": [names.classes[place] for place in present],
            "intrusions": [
                {
                    "cell_class": names.classes[row],
                    "cells": int((names.labels == row).sum()),
                    "shares": [
                        {"share": float(shares[row, column]), "own": row == column}
                        for column in present
                    ],
                }
                for row in present
                if np.isfinite(shares[row]).all()
            ],
            "unnamed": int((names.labels == UNNAMED).sum()),
        }


def legend(names: Names) -> list[dict[str, Any]]:
    """Every class that is somebody's label or prediction, and how many bear it as label."""
    rows: list[dict[str, Any]] = [
        {"place": place, "cell_class": each, "count": int((names.labels == place).sum())}
        for place, each in enumerate(names.classes)
        if (names.labels == place).any() or (names.predictions == place).any()
    ]
    if unnamed := int((names.labels == UNNAMED).sum()):
        rows.append({"place": UNNAMED, "cell_class": None, "count": unnamed})
    return rows


def tiles(
    projection: Projection,
    names: Names,
    keys: NDArray[np.int64],
    places: list[int],
    *,
    more: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """What a thumbnail needs to be shown: one query for a page of cells, none for a test set."""
    numbers: dict[int, str] = {}
    sheet: dict[str, int] = {}
    if projection.source == Projection.Source.TEST:
        cells = labelled_cells(projection.model_version)["test"]
        sheet = {
            "side": cells.side,
            "atlas_width": COLUMNS * cells.side,
            "atlas_height": -(-len(cells) // COLUMNS) * cells.side,
        }
    else:
        wanted = [int(keys[place]) for place in places]
        rows = Cell.objects.filter(pk__in=wanted).select_related("case")
        numbers = {each.pk: f"{each.case.accession_number} / {each.number}" for each in rows}
    made = []
    for index, place in enumerate(places):
        key = int(keys[place])
        tile: dict[str, Any] = {
            "place": place,
            "label": names.of(int(names.labels[place])),
            "predicted": names.of(int(names.predictions[place])),
            **(more[index] if more else {}),
        }
        if sheet:
            left, top = place_in_atlas(key, sheet["side"])
            tile |= {"name": names.names[place], "left": left, "top": top, **sheet}
        else:
            tile |= {"pk": key, "name": numbers.get(key, "")}
        made.append(tile)
    return made


class ProjectionProgressView(ProjectionMixin, View):
    """How far the worker has come; the page is loaded again once it has finished."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.projection(pk)
        if not projection.is_unfinished:
            return HttpResponseClientRefresh()
        return render(
            request, "classifier/explain/projection_progress.html", {"projection": projection}
        )


class ProjectionPointsView(ProjectionMixin, View):
    """The points for the plot: positions, labels, predictions and keys, in the same order."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.finished(pk)
        values = shown_values(projection)
        names = Names(projection, values["cells"])
        return JsonResponse(
            {
                "points": np.round(values["points"].astype(float), 4).tolist(),
                "labels": names.labels.tolist(),
                "predictions": names.predictions.tolist(),
                "cells": [] if names.names else values["cells"].tolist(),
                "names": list(names.names),
                "classes": [{"name": each.name, "color": each.color} for each in names.classes],
                "columns": projection.atlas_columns,
            }
        )


class ProjectionAtlasView(ProjectionMixin, View):
    """The thumbnails as one square JPEG."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.finished(pk)
        tag = f'"projection-{projection.pk}-{projection.key[:16]}"'
        answer: HttpResponse
        if request.headers.get("If-None-Match") == tag:
            answer = HttpResponseNotModified()
        else:
            answer = HttpResponse(bytes(projection.atlas), content_type="image/jpeg")
        answer["ETag"] = tag
        answer["X-Content-Type-Options"] = "nosniff"
        patch_cache_control(answer, private=True, no_cache=True)
        return answer


class ProjectionPictureView(ProjectionMixin, View):
    """The first two dimensions as a PNG, for browsers without WebGL."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.finished(pk)
        values = shown_values(projection)
        names = Names(projection, values["cells"])
        data = draw_picture(values["points"], names.chosen(read_color(request)), names.classes)
        answer = HttpResponse(data, content_type="image/png")
        answer["X-Content-Type-Options"] = "nosniff"
        patch_cache_control(answer, private=True, no_cache=True)
        return answer


class ProjectionCellsView(ProjectionMixin, View):
    """The selected points as a gallery, page by page. Asked by POST: a lasso holds thousands."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        projection = self.finished(pk)
        places = read_places(request.POST.get("places", ""), projection.count)
        page = Paginator(places, SELECTED_A_PAGE).get_page(request.POST.get("page"))
        values = shown_values(projection)
        names = Names(projection, values["cells"])
        context = {
            "projection": projection,
            "page_obj": page,
            "tiles": tiles(projection, names, values["cells"], list(page)),
        }
        return render(request, "classifier/explain/projection_cells.html", context)


def read_places(text: str, count: int) -> list[int]:
    """Read places in a projection, written with commas; what is none of them is left out."""
    parts = text.split(",")[:count]
    return [int(each) for each in parts if each.isdecimal() and len(each) < 9 and int(each) < count]


def read_color(request: HttpRequest) -> str:
    return "prediction" if request.GET.get("color") == "prediction" else "label"
