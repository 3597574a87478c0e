"""Addresses of the model's side below /api/v1/."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from classifier.api import views

router = SimpleRouter()
router.register("predictions", views.PredictionViewSet, "api-prediction")
router.register("model-versions", views.ModelVersionViewSet, "api-model-version")

urlpatterns = [
    re_path(
        r"^cells/(?P<id>[0-9]{1,18})/heatmap/$",
        views.HeatmapView.as_view(),
        name="api-cell-heatmap",
    ),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/retry/$", views.RetryView.as_view(), name="api-case-retry"
    ),
    path("heatmap-legend/", views.HeatmapLegendView.as_view(), name="api-heatmap-legend"),
    path("", include(router.urls)),
]
