"""Addresses of what leaves the laboratory."""

from __future__ import annotations

from django.urls import path, re_path

from classifier.reports import views

urlpatterns = [
    path("cases/<int:pk>/report/", views.CaseReportView.as_view(), name="case_report"),
    path("cases/<int:pk>/report.pdf", views.CaseReportFileView.as_view(), name="case_report_file"),
    path("cases/<int:pk>/fhir.json", views.CaseFhirFileView.as_view(), name="case_fhir_file"),
    re_path(
        r"^cases/(?P<pk>[0-9]{1,18})/counts\.(?P<ending>csv|json)$",
        views.CaseCountsView.as_view(),
        name="case_counts_file",
    ),
    re_path(
        r"^cases/(?P<pk>[0-9]{1,18})/verify/(?P<version>[0-9]{1,9})/(?P<digest>[0-9a-f]{16,64})/$",
        views.ReportVerifyView.as_view(),
        name="report_verify",
    ),
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
