"""Pages of the model's side."""

from __future__ import annotations

from django.urls import path

from classifier import model_views, views
from classifier.explain import look_alikes

urlpatterns = [
    path("cells/<int:pk>/", views.CellDetailView.as_view(), name="cell_detail"),
    path("cells/<int:pk>/inspector/", views.CellInspectorView.as_view(), name="cell_inspector"),
    path("cases/<int:pk>/failures/", views.CaseFailuresView.as_view(), name="case_failures"),
    path(
        "cells/<int:pk>/look-alikes/",
        look_alikes.CellLookAlikesView.as_view(),
        name="cell_look_alikes",
    ),
    path(
        "models/<int:pk>/atlas/<slug:name>.jpg",
        look_alikes.ModelAtlasView.as_view(),
        name="model_atlas",
    ),
    path("models/", model_views.ModelListView.as_view(), name="model_list"),
    path("models/compare/", model_views.ModelComparisonView.as_view(), name="model_comparison"),
    path("models/<int:pk>/", model_views.ModelDetailView.as_view(), name="model_detail"),
    path(
        "models/<int:pk>/activate/", model_views.ModelActivateView.as_view(), name="model_activate"
    ),
    path(
        "models/<int:pk>/pictures/<str:name>",
        model_views.ModelPictureView.as_view(),
        name="model_picture",
    ),
    path("models/runs/<int:pk>/", model_views.ModelRunView.as_view(), name="model_run"),
]
