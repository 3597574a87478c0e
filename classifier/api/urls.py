"""Addresses of the model's side below /api/v1/."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from classifier.api import model_views, views

router = SimpleRouter()
router.register("predictions", views.PredictionViewSet, "api-prediction")
router.register("model-versions", model_views.ModelVersionViewSet, "api-model-version")
router.register("model-runs", model_views.ModelRunViewSet, "api-model-run")

urlpatterns = [
    re_path(
        r"^cells/(?P<id>[0-9]{1,18})/heatmap/$",
        views.HeatmapView.as_view(),
        name="api-cell-heatmap",
    ),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/retry/$", views.RetryView.as_view(), name="api-case-retry"
    ),
    path(
        "model-comparison/", model_views.ModelComparisonView.as_view(), name="api-model-comparison"
    ),
    re_path(
        r"^model-comparison/cells/$",
        model_views.DifferingCellsView.as_view(),
        name="api-model-comparison-cells",
    ),
    path("heatmap-legend/", views.HeatmapLegendView.as_view(), name="api-heatmap-legend"),
    path("", include(router.urls)),
]
