"""Explanation by example: the known cells a new one resembles most to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_cache_control
from django.views import View

from cases.models import CellClass
from cases.views.base import PageMixin
from classifier.explain.labelled import labelled_cells
from classifier.policies import model_versions_of, predictions_of
from ml.references import COLUMNS, nearest, place_in_atlas

if TYPE_CHECKING:
    from django.http import HttpRequest

    from classifier.models import Prediction
    from ml.references import CellSet

SHOWN = 6
ONE_DAY = 24 * 3600


class CellLookAlikesView(PageMixin, View):
    """A fragment: the nearest reference cells of the model that saw the cell last."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        cell = get_object_or_404(self.policy.cells(), pk=pk)
        prediction = (
            predictions_of(self.policy)
            .of_cell(cell)
            .defer("heatmaps")
            .with_model_and_class()
            .first()
        )
        cells = labelled_cells(prediction.model_version).get("references") if prediction else None
        context: dict[str, Any] = {"prediction": prediction, "cells": cells}
        if prediction and cells:
            context |= look_alikes(prediction, cells)
        return render(request, "classifier/explain/look_alikes.html", context)


def look_alikes(prediction: Prediction, cells: CellSet) -> dict[str, Any]:
    """The nearest cells with their true class, and how many agree with the prediction."""
    classes = {each.code: each for each in CellClass.objects.all()}
    codes = prediction.model_version.classes
    embedding = np.frombuffer(bytes(prediction.embedding), "<f2")
    rows = []
    for near in nearest(cells, embedding, count=SHOWN):
        left, top = place_in_atlas(near.index, cells.side)
        rows.append(
            {
                "cell_class": classes[codes[cells.labels[near.index]]],
                "distance": near.distance,
                "left": left,
                "top": top,
                "name": cells.names[near.index],
            }
        )
    agreeing = sum(row["cell_class"].pk == prediction.predicted_class_id for row in rows)
    return {
        "rows": rows,
        "agreeing": agreeing,
        "side": cells.side,
        "atlas_width": COLUMNS * cells.side,
        "atlas_height": -(-len(cells) // COLUMNS) * cells.side,
    }


class ModelAtlasView(PageMixin, View):
    """The thumbnails of a model's labelled cells as one JPEG."""

    def get(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        version = get_object_or_404(model_versions_of(self.policy), pk=pk)
        cells = labelled_cells(version).get(name)
        if cells is None:
            raise Http404
        tag = f'"{version.weights_sha256[:16]}-{name}-{len(cells.atlas)}"'
        answer: HttpResponse
        if request.headers.get("If-None-Match") == tag:
            answer = HttpResponseNotModified()
        else:
            answer = HttpResponse(cells.atlas, content_type="image/jpeg")
        answer["ETag"] = tag
        answer["X-Content-Type-Options"] = "nosniff"
        patch_cache_control(answer, private=True, max_age=ONE_DAY)
        return answer
