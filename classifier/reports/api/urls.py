"""Addresses of what leaves the laboratory below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import re_path

from classifier.reports.api import views

urlpatterns: list[Any] = [
    re_path(r"^cases/(?P<id>[0-9]{1,18})/fhir/$", views.FhirView.as_view(), name="api-case-fhir"),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/report/$", views.ReportView.as_view(), name="api-case-report"
    ),
]
