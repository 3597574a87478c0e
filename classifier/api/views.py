"""The API of the model's side."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.negotiation import LenientNegotiation
from cases.policies import policy_of
from cases.services.errors import Missing
from classifier.api.filters import ModelVersionFilter, PredictionFilter
from classifier.api.serializers import (
    HeatmapQuerySerializer,
    LegendQuerySerializer,
    ModelVersionSerializer,
    PredictionSerializer,
    RetryAnswerSerializer,
)
from classifier.heatmaps import heatmap_etag, heatmap_png, legend_png
from classifier.models import ModelVersion, Prediction
from classifier.policies import model_versions_of, predictions_of
from classifier.services.queue import retry_failed

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from cases.models import User
    from classifier.querysets import ModelVersionQuerySet, PredictionQuerySet


class PredictionViewSet(viewsets.ReadOnlyModelViewSet[Prediction]):
    """Predictions as the model made them, newest first; corrections never change them."""

    queryset = Prediction.objects.none()
    serializer_class = PredictionSerializer
    filterset_class = PredictionFilter

    def get_queryset(self) -> PredictionQuerySet:
        return predictions_of(policy_of(self.request)).for_api()


class ModelVersionViewSet(viewsets.ReadOnlyModelViewSet[ModelVersion]):
    """The models that were registered, newest first; at most one is active."""

    queryset = ModelVersion.objects.none()
    serializer_class = ModelVersionSerializer
    filterset_class = ModelVersionFilter

    def get_queryset(self) -> ModelVersionQuerySet:
        return model_versions_of(policy_of(self.request))


class HeatmapView(APIView):
    """A class's Grad-CAM heatmap of a cell as a transparent picture to lay over its photo."""

    renderer_classes = (JSONRenderer,)  # of problems; the picture is answered ready made
    content_negotiation_class = LenientNegotiation

    @extend_schema(
        operation_id="cells_heatmap_retrieve",
        parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH), HeatmapQuerySerializer],
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, id: int) -> HttpResponseBase:
        policy = policy_of(request)
        cell = get_object_or_404(policy.cells(), pk=id)
        query = HeatmapQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = predictions_of(policy).latest_of(cell, asked.get("model_version"))
        if found is None:
            raise Missing("no_prediction", _("The model has not classified this cell yet."))
        drawing = {
            "class_code": asked.get("class", found.predicted_class.code),
            "size": asked["size"],
            "alpha": asked["alpha"],
        }
        if drawing["class_code"] not in found.model_version.classes:
            message = _("Choose one of: %(codes)s.") % {
                "codes": ", ".join(found.model_version.classes)
            }
            raise ValidationError({"class": [message]})
        etag = heatmap_etag(found, **drawing)
        answer = get_conditional_response(request._request, etag=etag)
        if answer is None:
            answer = HttpResponse(heatmap_png(found, **drawing), content_type="image/png")
        return _kept_by_browser(answer, etag)


class HeatmapLegendView(APIView):
    """The colour scale of heatmaps: left no influence, right the map's maximum."""

    renderer_classes = (JSONRenderer,)  # of problems; the picture is answered ready made
    content_negotiation_class = LenientNegotiation

    @extend_schema(
        operation_id="heatmap_legend_retrieve",
        parameters=[LegendQuerySerializer],
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request) -> HttpResponse:
        query = LegendQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return HttpResponse(
            legend_png(alpha=query.validated_data["alpha"]), content_type="image/png"
        )


class RetryView(APIView):
    """Put the failed cells of a case back into the queue with fresh attempts."""

    @extend_schema(
        operation_id="cases_retry_create",
        parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH)],
        request=None,
        responses=RetryAnswerSerializer,
    )
    def post(self, request: Request, id: int) -> Response:
        case = get_object_or_404(policy_of(request).cases(), pk=id)
        queued = retry_failed(user=cast("User", request.user), case=case)
        return Response(RetryAnswerSerializer({"queued": queued}).data)


def _kept_by_browser(answer: HttpResponseBase, etag: str) -> HttpResponseBase:
    """Let the reader's own browser keep it, asking each time whether it may still be shown."""
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-cache"
    return answer
