"""Addresses of what leaves the laboratory."""

from __future__ import annotations

from django.urls import path, re_path

from reports import views

urlpatterns = [
    re_path(
        r"^cases/(?P<pk>[0-9]{1,18})/cells\.(?P<ending>csv|json)$",
        views.CaseCellsView.as_view(),
        name="case_cells_file",
    ),
    path(
        "cases/<int:pk>/training.zip", views.CaseTrainingFolderView.as_view(), name="case_training"
    ),
    path("training/", views.TrainingPageView.as_view(), name="training"),
    path(
        "laboratories/<int:pk>/training.zip",
        views.LaboratoryTrainingFolderView.as_view(),
        name="laboratory_training",
    ),
]
