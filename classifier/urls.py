"""Pages of the model's side."""

from __future__ import annotations

from django.urls import path

from classifier import views
from classifier.explain import look_alikes

urlpatterns = [
    path("cells/<int:pk>/", views.CellDetailView.as_view(), name="cell_detail"),
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
    path("models/", views.ModelListView.as_view(), name="model_list"),
]
