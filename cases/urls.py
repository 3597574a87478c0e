"""Pages of the laboratory's side."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from cases.views import (
    account,
    case_detail,
    case_list,
    correct,
    double_readings,
    media,
    page,
    readings,
    upload,
    work_list,
)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="case_list"), name="home"),
    path("about/<slug:slug>/", page.AboutPageView.as_view(), name="about_page"),
    path("login/", account.LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
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
    path("cases/<int:pk>/progress/", case_detail.CaseProgressView.as_view(), name="case_progress"),
    path("cases/<int:pk>/upload/", upload.CaseUploadView.as_view(), name="case_upload"),
    path("cells/<int:pk>/correct/", correct.CellCorrectView.as_view(), name="cell_correct"),
    path("cells/<int:pk>/photo/", media.CellPhotoView.as_view(), name="cell_photo"),
    path("images/<int:pk>/file/", media.ImageFileView.as_view(), name="image_file"),
]
