"""Pages of the model's side."""

from __future__ import annotations

from django.urls import path

from classifier import model_views, views
from classifier.explain import look_alikes, projector, quick_look
from classifier.field_pages import views as fields
from classifier.operations.metrics import metrics
from classifier.operations.views import OperationsView
from classifier.privacy.views import PatientRemovalView, PrivacyView
from classifier.tiles import views as tiles

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("operations/", OperationsView.as_view(), name="operations"),
    path("privacy/", PrivacyView.as_view(), name="privacy"),
    path("patients/<int:pk>/remove/", PatientRemovalView.as_view(), name="patient_removal"),
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
    path("cases/<int:pk>/fields/", fields.FieldListView.as_view(), name="field_list"),
    path("cases/<int:pk>/fields/<int:number>/", fields.FieldView.as_view(), name="field"),
    path(
        "cases/<int:pk>/fields/<int:number>/boxes/",
        fields.FieldBoxesView.as_view(),
        name="field_boxes",
    ),
    path(
        "cases/<int:pk>/fields/<int:number>/retry/",
        fields.FieldRetryView.as_view(),
        name="field_retry",
    ),
    path("images/<int:pk>/kind/", fields.ImageKindView.as_view(), name="image_kind"),
    path(
        "images/<int:pk>/tiles/<int:level>/<int:x>_<int:y>.jpg",
        tiles.ImageTileView.as_view(),
        name="image_tile",
    ),
    path(
        "images/<int:pk>/thumbnail.jpg",
        tiles.ImageThumbnailView.as_view(),
        name="image_thumbnail",
    ),
    path("quick-look/", quick_look.QuickLookView.as_view(), name="quick_look"),
    path(
        "quick-look/<uuid:pk>/",
        quick_look.QuickLookDetailView.as_view(),
        name="quick_look_detail",
    ),
    path(
        "quick-look/<uuid:pk>/progress/",
        quick_look.QuickLookProgressView.as_view(),
        name="quick_look_progress",
    ),
    path(
        "quick-look/<uuid:pk>/leave/",
        quick_look.QuickLookLeaveView.as_view(),
        name="quick_look_leave",
    ),
    path("quick-look/<uuid:pk>/add/", quick_look.QuickLookAddView.as_view(), name="quick_look_add"),
    path(
        "quick-look/<uuid:pk>/pictures/<int:number>/photo/",
        quick_look.QuickLookPhotoView.as_view(),
        name="quick_look_photo",
    ),
    path(
        "quick-look/<uuid:pk>/pictures/<int:number>/heatmap/",
        quick_look.QuickLookHeatmapView.as_view(),
        name="quick_look_heatmap",
    ),
    path("projector/", projector.ProjectorView.as_view(), name="projector"),
    path("projector/<int:pk>/", projector.ProjectionView.as_view(), name="projection_detail"),
    path(
        "projector/<int:pk>/progress/",
        projector.ProjectionProgressView.as_view(),
        name="projection_progress",
    ),
    path(
        "projector/<int:pk>/points/",
        projector.ProjectionPointsView.as_view(),
        name="projection_points",
    ),
    path(
        "projector/<int:pk>/atlas.jpg",
        projector.ProjectionAtlasView.as_view(),
        name="projection_atlas",
    ),
    path(
        "projector/<int:pk>/picture.png",
        projector.ProjectionPictureView.as_view(),
        name="projection_picture",
    ),
    path(
        "projector/<int:pk>/cells/",
        projector.ProjectionCellsView.as_view(),
        name="projection_cells",
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
