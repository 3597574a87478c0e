"""Addresses of the laboratory's side below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from cases.api import (
    access_views,
    case_views,
    cell_views,
    detection_views,
    laboratory_views,
    reading_views,
    result_views,
    review_views,
    work_views,
)

router = SimpleRouter()
router.register("laboratories", access_views.LaboratoryViewSet, "api-laboratory")
router.register("cell-classes", access_views.CellClassViewSet, "api-cell-class")
router.register("patients", case_views.PatientViewSet, "api-patient")
router.register("cases", case_views.SmearCaseViewSet, "api-case")
router.register("images", case_views.CaseImageViewSet, "api-image")
router.register("cells", cell_views.CellViewSet, "api-cell")
router.register("detections", detection_views.DetectionViewSet, "api-detection")
router.register("corrections", cell_views.CorrectionViewSet, "api-correction")
router.register("sign-offs", result_views.SignOffViewSet, "api-sign-off")
router.register("work-list", work_views.WorkListViewSet, "api-work-list")

router.register("double-readings", reading_views.DoubleReadingViewSet, "api-double-reading")
router.register("readings", reading_views.ReadingViewSet, "api-reading")

OF_CASE = "^cases/(?P<case>[0-9]{1,18})/"
OF_LABORATORY = "^laboratories/(?P<laboratory>[0-9]{1,18})/"
LIST_AND_CREATE: dict[str, Any] = {"get": "list", "post": "create"}

urlpatterns = [
    path("auth/token/", access_views.TokenView.as_view(), name="api-token"),
    path("auth/logout/", access_views.LogoutView.as_view(), name="api-logout"),
    path("me/", access_views.MeView.as_view(), name="api-me"),
    re_path(
        r"^cases/(?P<case>[0-9]{1,18})/images/$",
        case_views.CaseImagesViewSet.as_view(LIST_AND_CREATE),
        name="api-case-images",
    ),
    re_path(
        r"^cases/(?P<case>[0-9]{1,18})/assignments/$",
        work_views.CaseAssignmentsViewSet.as_view(LIST_AND_CREATE),
        name="api-case-assignments",
    ),
    re_path(
        r"^cases/(?P<case>[0-9]{1,18})/priority/$",
        work_views.CasePriorityViewSet.as_view({"put": "update"}),
        name="api-case-priority",
    ),
    re_path(
        r"^cases/(?P<case>[0-9]{1,18})/double-readings/$",
        reading_views.CaseDoubleReadingsViewSet.as_view(LIST_AND_CREATE),
        name="api-case-double-readings",
    ),
    re_path(
        r"^cells/(?P<cell>[0-9]{1,18})/corrections/$",
        cell_views.CellCorrectionsViewSet.as_view(LIST_AND_CREATE),
        name="api-cell-corrections",
    ),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/corrections/$",
        review_views.CaseCorrectionsView.as_view(),
        name="api-case-corrections",
    ),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/flags/$",
        review_views.CaseFlagsView.as_view(),
        name="api-case-flags",
    ),
    re_path(
        r"^cases/(?P<id>[0-9]{1,18})/changes/$",
        review_views.CaseChangesView.as_view(),
        name="api-case-changes",
    ),
    re_path(
        r"^steps/(?P<id>[0-9]{1,18})/undo/$",
        review_views.StepUndoView.as_view(),
        name="api-step-undo",
    ),
    re_path(
        OF_CASE + "result/$",
        result_views.CaseResultViewSet.as_view({"get": "retrieve"}),
        name="api-case-result",
    ),
    re_path(
        OF_CASE + "readiness/$",
        result_views.CaseReadinessViewSet.as_view({"get": "retrieve"}),
        name="api-case-readiness",
    ),
    re_path(
        OF_CASE + "sign-offs/$",
        result_views.CaseSignOffsViewSet.as_view(LIST_AND_CREATE),
        name="api-case-sign-offs",
    ),
    re_path(
        OF_CASE + "amendments/$",
        result_views.CaseAmendmentsViewSet.as_view(LIST_AND_CREATE),
        name="api-case-amendments",
    ),
    re_path(
        OF_CASE + "findings/$",
        result_views.CaseFindingsViewSet.as_view(LIST_AND_CREATE),
        name="api-case-findings",
    ),
    re_path(
        r"^findings/(?P<finding>[0-9]{1,18})/withdraw/$",
        result_views.FindingWithdrawalViewSet.as_view({"post": "create"}),
        name="api-finding-withdraw",
    ),
    re_path(
        OF_CASE + "white-cells/$",
        result_views.CaseWhiteCellsViewSet.as_view({"put": "update"}),
        name="api-case-white-cells",
    ),
    re_path(
        OF_LABORATORY + "settings/$",
        laboratory_views.LaboratorySettingsViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="api-laboratory-settings",
    ),
    re_path(
        OF_LABORATORY + "ranges/$",
        laboratory_views.ReferenceRangesViewSet.as_view(LIST_AND_CREATE),
        name="api-ranges",
    ),
    re_path(
        OF_LABORATORY + "ranges/(?P<range>[0-9]{1,18})/$",
        laboratory_views.ReferenceRangesViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="api-range",
    ),
    path("", include(router.urls)),
]
