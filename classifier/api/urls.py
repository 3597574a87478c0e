"""Addresses below /api/v1/."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from classifier.api.views import (
    HeatmapLegendView,
    HeatmapView,
    ModelVersionViewSet,
    PredictionViewSet,
    RetryView,
)

router = SimpleRouter()
router.register("predictions", PredictionViewSet, "prediction")
router.register("model-versions", ModelVersionViewSet, "model-version")

urlpatterns = [
    path("cells/<int:id>/heatmap/", HeatmapView.as_view(), name="cell-heatmap"),
    path("heatmap-legend/", HeatmapLegendView.as_view(), name="heatmap-legend"),
    path("cases/<int:id>/retry/", RetryView.as_view(), name="case-retry"),
    path("", include(router.urls)),
]
