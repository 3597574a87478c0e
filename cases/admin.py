"""Django's admin: all rows for superusers, a laboratory's own rows for its administrators.

A laboratory's administrator needs ``is_staff`` and no model permissions: what they may do follows
from the access policy, as everywhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from modeltranslation.admin import TranslationAdmin

from cases.admin_base import (
    BY_LABORATORY,
    ReadOnlyScopedAdmin,
    ScopedAdmin,
    ScopedMixin,
)
from cases.models import (
    Amendment,
    ApiToken,
    CaseAssignment,
    CaseImage,
    Cell,
    CellClass,
    Correction,
    Detection,
    DetectionCorrection,
    Finding,
    IdempotentAnswer,
    Laboratory,
    LaboratorySettings,
    Membership,
    Page,
    Patient,
    ReferenceRange,
    SignOff,
    SmearCase,
    User,
)
from cases.policies import Action, policy_of
from cases.services.borders import apply_border_rule
from cases.services.cases import name_patient
from cases.services.people import end_access, end_tokens

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class MembershipInline(ScopedMixin, admin.TabularInline[Any, Any]):
    """A user's roles in the laboratories the administrator manages."""

    model = Membership
    extra = 0

    def get_min_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        # A user without laboratory would be invisible to the administrator who added them.
        return 0 if request.user.is_superuser else 1


class GivenPasswordForm(AdminPasswordChangeForm):
    """A password given to somebody: whoever had the old one is out, programs too."""

    def save(self, commit: bool = True) -> Any:
        end_tokens(user=self.user)
        return super().save(commit)


@admin.register(User)
class ScopedUserAdmin(ScopedMixin, UserAdmin[User]):
    """Users; an administrator sees those of their laboratories and never makes a superuser."""

    fixed_fields = ()
    change_password_form = GivenPasswordForm
    inlines = (MembershipInline,)
    list_display = ("username", "first_name", "last_name", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff")
    POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        users = UserAdmin.get_queryset(self, request)
        if request.user.is_superuser:
            return users
        managed = policy_of(request).laboratory_ids(Action.MANAGE)
        members = Membership.objects.filter(laboratory_id__in=managed)
        return users.filter(is_superuser=False, pk__in=members.values("user_id"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *self.POWERS)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not obj.is_active:
            end_access(user=obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_only_here(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_only_here(request, obj)

    def _is_only_here(self, request: HttpRequest, user: User | None) -> bool:
        """Who could change the password of somebody of two laboratories would enter both."""
        if user is None or request.user.is_superuser:
            return True
        managed = policy_of(request).laboratory_ids(Action.MANAGE)
        return not user.memberships.exclude(laboratory_id__in=managed).exists()


@admin.register(Laboratory)
class LaboratoryAdmin(ScopedAdmin):
    laboratory_path = "id"
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    fixed_fields = ("laboratory", "user")
    list_display = ("user", "laboratory", "role")
    list_filter = ("role", BY_LABORATORY)
    list_select_related = ("user", "laboratory")
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)


@admin.register(CellClass)
class CellClassAdmin(ScopedMixin, TranslationAdmin):
    laboratory_path = None
    fixed_fields = ("code",)
    list_display = ("order", "code", "name", "group", "counted", "predicted")
    list_display_links = ("code",)


@admin.register(Page)
class PageAdmin(ScopedMixin, TranslationAdmin):
    """The text of the about pages belongs to the whole site: superusers write it."""

    laboratory_path = None
    fixed_fields = ("slug",)
    list_display = ("slug", "title", "updated_at")


class PatientForm(forms.ModelForm):
    """A patient with the name, which lies in a table of its own."""

    name = forms.CharField(label=_("name"), max_length=200, required=False)

    class Meta:
        model = Patient
        fields = ("laboratory", "identifier", "name", "sex", "birth_date", "language")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "name" in self.fields:
            self.fields["name"].initial = self.instance.name


@admin.register(Patient)
class PatientAdmin(ScopedAdmin):
    form = PatientForm
    list_display = ("identifier", "name", "laboratory", "created_at")
    list_filter = (BY_LABORATORY,)
    list_select_related = ("laboratory", "name_record")
    search_fields = ("identifier", "name_record__name")

    @admin.display(description=_("name"))
    def name(self, patient: Patient) -> str:
        return patient.name

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "name" in form.cleaned_data:
            name_patient(patient=obj, name=form.cleaned_data["name"])
        obj.cases.ask_for_range_flags()  # sex and age choose the ranges


@admin.register(SmearCase)
class SmearCaseAdmin(ScopedAdmin):
    """Cases; the status follows from cells and signatures, and a signed-off case is closed."""

    list_display = ("accession_number", "patient", "laboratory", "status", "created_at")
    list_filter = ("status", BY_LABORATORY)
    list_select_related = ("patient", "laboratory")
    search_fields = ("accession_number", "patient__identifier")
    autocomplete_fields = ("patient",)
    readonly_fields = ("status", "created_by", "assignee")

    def case_path(self) -> str | None:
        return "pk"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        frozen = obj is not None and obj.is_frozen
        return super().has_change_permission(request, obj) and not frozen

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        frozen = obj is not None and obj.is_frozen
        return super().has_delete_permission(request, obj) and not frozen

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        obj.range_flags_due = True  # the patient or the time of collection may be another
        super().save_model(request, obj, form, change)


@admin.register(CaseImage)
class CaseImageAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "number", "kind", "state", "uploaded_at")
    list_filter = ("kind", "state")
    list_select_related = ("case",)
    search_fields = ("case__accession_number",)
    # It may tell of a patient.
    exclude = ("original_name",)


@admin.register(Cell)
class CellAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "number", "label", "label_source", "review_state", "state")
    list_filter = ("label", "label_source", "review_state", "state")
    list_select_related = ("case", "label")
    search_fields = ("case__accession_number",)


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "cell__case__laboratory_id"
    list_display = ("cell", "from_class", "to_class", "made_by", "made_at")
    list_filter = ("to_class",)
    list_select_related = ("cell__case", "from_class", "to_class", "made_by")
    search_fields = ("cell__case__accession_number", "made_by__username")


@admin.register(Detection)
class DetectionAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "image__case__laboratory_id"
    list_display = ("image", "number", "kind", "source", "excluded", "score")
    list_filter = ("kind", "source", "excluded")
    list_select_related = ("image__case",)
    search_fields = ("image__case__accession_number",)


@admin.register(DetectionCorrection)
class DetectionCorrectionAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "detection__image__case__laboratory_id"
    list_display = ("detection", "action", "made_by", "made_at")
    list_filter = ("action",)
    list_select_related = ("detection__image__case", "made_by")
    search_fields = ("detection__image__case__accession_number", "made_by__username")


@admin.register(CaseAssignment)
class CaseAssignmentAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "assignee", "made_by", "made_at")
    list_select_related = ("case", "assignee", "made_by")
    search_fields = ("case__accession_number", "assignee__username")


@admin.register(LaboratorySettings)
class LaboratorySettingsAdmin(ScopedAdmin):
    list_display = (
        "laboratory", "require_all_reviewed", "nrbc_threshold", "analyser_excludes_nrbc",
        "border_rule", "platelet_factor", "camera_pixel_size",
    )  # fmt: skip
    list_select_related = ("laboratory",)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        obj.updated_by = request.user
        super().save_model(request, obj, form, change)
        with transaction.atomic():
            apply_border_rule(laboratory_id=obj.laboratory_id, rule=obj.border_rule)


@admin.register(ReferenceRange)
class ReferenceRangeAdmin(ScopedAdmin):
    list_display = (
        "cell_class", "sex", "age_from", "age_to", "age_unit", "percent_low", "percent_high",
        "absolute_low", "absolute_high", "laboratory",
    )  # fmt: skip
    list_filter = ("cell_class", "sex", BY_LABORATORY)
    list_select_related = ("laboratory", "cell_class")

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        obj.updated_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(Finding)
class FindingAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "cell_class", "text", "made_by", "made_at", "withdrawn_at")
    list_select_related = ("case", "cell_class", "made_by")
    search_fields = ("case__accession_number", "text")


@admin.register(SignOff)
class SignOffAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "version", "signed_by", "signed_at")
    list_select_related = ("case", "signed_by")
    search_fields = ("case__accession_number", "signed_by__username")
    exclude = ("snapshot",)


@admin.register(Amendment)
class AmendmentAdmin(ReadOnlyScopedAdmin):
    laboratory_path = "case__laboratory_id"
    list_display = ("case", "sign_off", "reason", "made_by", "made_at")
    list_select_related = ("case", "sign_off__case", "made_by")
    search_fields = ("case__accession_number", "made_by__username")


@admin.register(IdempotentAnswer)
class IdempotentAnswerAdmin(ReadOnlyScopedAdmin):
    """Kept answers may quote any laboratory: for superusers only."""

    laboratory_path = None
    list_display = ("key", "path", "user", "status", "created_at")
    list_select_related = ("user",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyScopedAdmin):
    """Tokens are people's own; superusers see that they are there."""

    laboratory_path = None
    fields = ("user", "name", "scopes", "created", "expiry", "last_used_at")
    list_display = ("user", "name", "created", "expiry", "last_used_at")
    list_select_related = ("user",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
