"""Pages of the model's side."""

from __future__ import annotations

from django.urls import path

from classifier import views

urlpatterns = [
    path("cells/<int:pk>/", views.CellDetailView.as_view(), name="cell_detail"),
    path("cells/<int:pk>/inspector/", views.CellInspectorView.as_view(), name="cell_inspector"),
    path("cases/<int:pk>/failures/", views.CaseFailuresView.as_view(), name="case_failures"),
    path("models/", views.ModelListView.as_view(), name="model_list"),
]
