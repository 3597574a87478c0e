"""Pages of the laboratory's side."""

from __future__ import annotations

from django.urls import path

from cases.views import (
    account,
    case_detail,
    case_list,
    correct,
    double_readings,
    laboratory,
    media,
    page,
    readings,
    result,
    signing,
    upload,
    work_list,
    workspace,
)

urlpatterns = [
    path("", work_list.HomeView.as_view(), name="home"),
    path("about/<slug:slug>/", page.AboutPageView.as_view(), name="about_page"),
    path("language/", account.set_language, name="set_language"),
    path("cases/", case_list.CaseListView.as_view(), name="case_list"),
    path("work/", work_list.WorkListView.as_view(), name="work_list"),
    path(
        "cases/<int:pk>/assignment/",
        work_list.CaseAssignmentView.as_view(),
        name="case_assignment",
    ),
    path("cases/<int:pk>/priority/", work_list.CasePriorityView.as_view(), name="case_priority"),
    path(
        "cases/<int:pk>/readings/",
        double_readings.CaseDoubleReadingsView.as_view(),
        name="case_double_readings",
    ),
    path(
        "double-readings/<int:pk>/",
        double_readings.DoubleReadingView.as_view(),
        name="double_reading",
    ),
    path(
        "double-readings/<int:pk>/withdraw/",
        double_readings.WithdrawView.as_view(),
        name="double_reading_withdraw",
    ),
    path(
        "double-readings/<int:pk>/decide/",
        double_readings.DecideView.as_view(),
        name="double_reading_decide",
    ),
    path(
        "double-readings/<int:pk>/finish/",
        double_readings.FinishAdjudicationView.as_view(),
        name="double_reading_finish",
    ),
    path("readings/<int:pk>/", readings.ReadingView.as_view(), name="reading"),
    path("readings/<int:pk>/finish/", readings.ReadingFinishView.as_view(), name="reading_finish"),
    path(
        "readings/<int:pk>/cells/<int:position>/photo/",
        readings.ReadingPhotoView.as_view(),
        name="reading_photo",
    ),
    path("cases/new/", case_list.NewCaseView.as_view(), name="case_create"),
    path(
        "patients/suggestions/",
        case_list.PatientSuggestionsView.as_view(),
        name="patient_suggestions",
    ),
    path("cases/<int:pk>/", case_detail.CaseDetailView.as_view(), name="case_detail"),
    path("cases/<int:pk>/gallery/", case_detail.CaseGalleryView.as_view(), name="case_gallery"),
    path("cases/<int:pk>/cells/", workspace.CaseCellsView.as_view(), name="case_cells"),
    path("cases/<int:pk>/progress/", case_detail.CaseProgressView.as_view(), name="case_progress"),
    path("cases/<int:pk>/upload/", upload.CaseUploadView.as_view(), name="case_upload"),
    path("cases/<int:pk>/result/", result.CaseResultView.as_view(), name="case_result"),
    path(
        "cases/<int:pk>/result/panel/",
        result.CaseResultPanelView.as_view(),
        name="case_result_panel",
    ),
    path("cases/<int:pk>/white-cells/", result.WhiteCellsView.as_view(), name="case_white_cells"),
    path("cases/<int:pk>/findings/", result.FindingAddView.as_view(), name="finding_add"),
    path(
        "findings/<int:pk>/withdraw/", result.FindingWithdrawView.as_view(), name="finding_withdraw"
    ),
    path("cases/<int:pk>/sign/", signing.SignView.as_view(), name="case_sign"),
    path("cases/<int:pk>/amend/", signing.AmendView.as_view(), name="case_amend"),
    path(
        "cases/<int:pk>/versions/<int:version>/",
        signing.VersionView.as_view(),
        name="case_version",
    ),
    path(
        "cases/<int:pk>/versions/<int:version>/changes/",
        signing.VersionDiffView.as_view(),
        name="case_version_diff",
    ),
    path(
        "laboratories/<int:pk>/settings/",
        laboratory.LaboratorySettingsView.as_view(),
        name="laboratory_settings",
    ),
    path(
        "laboratories/<int:pk>/ranges/new/",
        laboratory.RangeEditView.as_view(),
        name="range_add",
    ),
    path(
        "laboratories/<int:pk>/ranges/<int:range_pk>/",
        laboratory.RangeEditView.as_view(),
        name="range_edit",
    ),
    path(
        "laboratories/<int:pk>/ranges/<int:range_pk>/delete/",
        laboratory.RangeDeleteView.as_view(),
        name="range_delete",
    ),
    path("cells/<int:pk>/correct/", correct.CellCorrectView.as_view(), name="cell_correct"),
    path("cells/<int:pk>/photo/", media.CellPhotoView.as_view(), name="cell_photo"),
    path("images/<int:pk>/file/", media.ImageFileView.as_view(), name="image_file"),
]
