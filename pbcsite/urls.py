"""Addresses of the whole site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.gzip import gzip_page
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from cases.api.access_views import UnknownAddressView
from pbcsite.health import healthz, readyz

api_patterns: list[Any] = [
    path("", include("cases.api.urls")),
    path("", include("classifier.api.urls")),
    path("", include("classifier.reports.api.urls")),
    # Half a megabyte of words, the same for everybody.
    path("schema/", gzip_page(SpectacularAPIView.as_view()), name="api-schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api-schema", metadata_class=None),
        name="api-docs",
    ),
    re_path("", UnknownAddressView.as_view(), name="api-unknown"),
]

urlpatterns = [
    path("api/v1/", include(api_patterns)),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("cases.accounts.urls")),
    path("", include("classifier.reports.urls")),
    path("", include("classifier.urls")),
    path("", include("cases.urls")),
]

handler400 = "pbcsite.errors.bad_request"
handler500 = "pbcsite.errors.server_error"
