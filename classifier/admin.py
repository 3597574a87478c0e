"""Django's admin of the model's side: to look at; rows are made by services only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from cases.admin_base import ReadOnlyScopedAdmin
from cases.failures import failure_message
from classifier.models import (
    ClassificationJob,
    DetectorVersion,
    FieldRun,
    ModelVersion,
    Prediction,
)
from classifier.services.registry import activate_model

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from cases.models import User


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyScopedAdmin):
    """Models belong to the whole site: administrators look, superusers choose the active one."""

    laboratory_path = None
    list_display = ("name", "active", "architecture", "head", "input_size", "device")
    list_filter = ("active", "architecture")
    actions = ("activate",)

    def has_activate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.action(description=_("Let the selected model name new cells"), permissions=["activate"])
    def activate(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, _("Select exactly one model."), messages.ERROR)
            return
        activate_model(version=chosen[0], user=cast("User", request.user))
        self.message_user(
            request,
            _("%(name)s names new cells from now on.") % {"name": chosen[0].name},
            messages.SUCCESS,
        )


@admin.register(ClassificationJob)
class ClassificationJobAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "cell__case__laboratory_id"
    list_display = ("cell", "model_version", "state", "attempts", "reason", "queued_at")
    list_filter = ("state", "model_version")
    list_select_related = ("cell__case", "model_version")
    search_fields = ("cell__case__accession_number",)

    @admin.display(description=_("failure"))
    def reason(self, job: ClassificationJob) -> Any:
        return failure_message(job.failure_code)


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "cell__case__laboratory_id"
    list_display = ("cell", "predicted_class", "confidence", "model_version", "device", "made_at")
    list_filter = ("predicted_class", "model_version")
    list_select_related = ("cell__case", "predicted_class", "model_version")
    search_fields = ("cell__case__accession_number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the blobs in the database."""
        return super().get_queryset(request).defer("heatmaps", "embedding")


@admin.register(DetectorVersion)
class DetectorVersionAdmin(ReadOnlyScopedAdmin):
    """Detectors belong to the whole site."""

    laboratory_path = None
    list_display = ("name", "active", "weights_sha256", "registered_at")


@admin.register(FieldRun)
class FieldRunAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "image__case__laboratory_id"
    list_display = ("image", "detector", "state", "attempts", "zoom", "cells", "finished_at")
    list_filter = ("state",)
    list_select_related = ("image__case", "detector")
