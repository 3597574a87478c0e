"""The API of the model's side."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.case_views import KEY
from cases.api.schema import problems
from cases.policies import policy_of
from cases.services.errors import Missing
from classifier.api.filters import PredictionFilterSet
from classifier.api.serializers import (
    HeatmapQuerySerializer,
    LegendQuerySerializer,
    PredictionSerializer,
    RetryAnswerSerializer,
)
from classifier.heatmaps import heatmap_etag, heatmap_png, legend_png
from classifier.policies import predictions_of
from classifier.services.queue import retry_failed

ID = OpenApiParameter("id", int, OpenApiParameter.PATH)
PICTURE = {(200, "image/png"): OpenApiTypes.BINARY}


class PredictionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Predictions as the model made them, the latest first; corrections never change them."""

    serializer_class = PredictionSerializer
    filterset_class = PredictionFilterSet
    lookup_value_regex = KEY

    def get_queryset(self) -> Any:
        return predictions_of(policy_of(self.request)).for_api()


class HeatmapView(APIView):
    """Grad-CAM heatmaps of cells."""

    @extend_schema(
        operation_id="cells_heatmap_retrieve",
        parameters=[ID, HeatmapQuerySerializer],
        responses={
            **PICTURE,
            304: OpenApiResponse(description="The picture named by If-None-Match is still right."),
            **problems(400, 401, 404),
        },
    )
    def get(self, request: Any, id: str) -> HttpResponseBase:
        """A class's heatmap as a transparent PNG of the cell's proportions, to lie over its photo.

        404 with the code `no_prediction` while the model has not classified the cell.
        """
        policy = policy_of(request)
        cell = policy.cells().by_key(int(id))
        if cell is None:
            raise Missing("not_found", _("There is no such cell."))
        query = HeatmapQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = predictions_of(policy).latest_of(cell, asked.get("model_version"))
        if found is None:
            raise Missing("no_prediction", _("The model has not classified this cell yet."))
        class_code = asked.get("class", found.predicted_class.code)
        if class_code not in found.model_version.classes:
            known = ", ".join(found.model_version.classes)
            raise ValidationError({"class": [_("Choose one of: {names}.").format(names=known)]})
        drawing = {"class_code": class_code, "size": asked["size"], "alpha": asked["alpha"]}
        etag = heatmap_etag(found, **drawing)
        answer = get_conditional_response(request, etag=etag)
        if answer is None:
            answer = HttpResponse(heatmap_png(found, **drawing), content_type="image/png")
        # The reader's own browser may keep it, but asks each time whether it may still be shown.
        answer["ETag"] = etag
        answer["Cache-Control"] = "private, no-cache"
        return answer


class HeatmapLegendView(APIView):
    """The colour scale of heatmaps."""

    @extend_schema(
        operation_id="heatmap_legend_retrieve",
        parameters=[LegendQuerySerializer],
        responses={**PICTURE, **problems(400, 401)},
    )
    def get(self, request: Any) -> HttpResponse:
        """The colours as a PNG strip: no influence on the left, the map's maximum on the right."""
        query = LegendQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        picture = legend_png(alpha=query.validated_data["alpha"])
        return HttpResponse(picture, content_type="image/png")


class RetryView(APIView):
    """Another try for failed cells."""

    @extend_schema(
        operation_id="cases_retry_create",
        parameters=[ID],
        request=None,
        responses={200: RetryAnswerSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Any, id: str) -> Response:
        """Put the failed cells of a case back into the queue with fresh attempts."""
        case = policy_of(request).cases().by_key(int(id))
        if case is None:
            raise Missing("not_found", _("There is no such case."))
        queued = retry_failed(user=request.user, case=case)
        return Response(RetryAnswerSerializer({"queued": queued}).data)
