"""A laboratory's rules and reference ranges, for its administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views import View

from cases.models import ReferenceRange
from cases.policies import Action
from cases.result_forms import LaboratorySettingsForm, ReferenceRangeForm
from cases.services.errors import ServiceError
from cases.services.laboratory_settings import (
    delete_range,
    save_range,
    save_settings,
    settings_of,
)
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse

    from cases.models import Laboratory

RANGES_PER_PAGE = 50


class LaboratoryMixin(PageMixin):
    """A page about a laboratory the reader manages."""

    def laboratory(self, pk: int) -> Laboratory:
        """The laboratory, if the reader manages it.

        Raises:
            Http404: when the reader does not belong to it.
            PermissionDenied: when the reader may only look.
        """
        row: Laboratory = get_object_or_404(self.policy.laboratories(), pk=pk)
        self.demand(Action.MANAGE, row.pk)
        return row

    def range(self, laboratory: Laboratory, pk: int) -> ReferenceRange:
        """One of the laboratory's ranges.

        Raises:
            Http404: when it has no such range.
        """
        ranges = self.policy.reference_ranges(Action.MANAGE).of_laboratories([laboratory.pk])
        row: ReferenceRange = get_object_or_404(ranges.for_display(), pk=pk)
        return row


def add_errors(form: ModelForm[Any], error: ServiceError) -> None:
    """Put a service's answer where its field stands, the rest above the form."""
    by_field: dict[str, list[Any]] = error.extra.get("errors", {})
    for name, texts in by_field.items():
        form.add_error(name if name in form.fields else None, list(texts))
    if not by_field:
        form.add_error(None, error.message)


class LaboratorySettingsView(LaboratoryMixin, View):
    """The rules, with the ranges below them."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        laboratory = self.laboratory(pk)
        rules = settings_of(laboratory_id=laboratory.pk)
        return self.shown(laboratory, LaboratorySettingsForm(instance=rules))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        laboratory = self.laboratory(pk)
        form = LaboratorySettingsForm(request.POST)
        if form.is_valid():
            try:
                save_settings(user=self.person, laboratory=laboratory, **form.cleaned_data)
            except ServiceError as error:
                add_errors(form, error)
            else:
                messages.success(request, _("The laboratory's rules are saved."))
                return redirect("laboratory_settings", pk)
        return self.shown(laboratory, form, status=400)

    def shown(
        self, laboratory: Laboratory, form: LaboratorySettingsForm, status: int = 200
    ) -> HttpResponse:
        ranges = self.policy.reference_ranges(Action.MANAGE).of_laboratories([laboratory.pk])
        context = {
            "laboratory": laboratory,
            "form": form,
            "page_obj": Paginator(ranges.for_display(), RANGES_PER_PAGE).get_page(
                self.request.GET.get("page")
            ),
            "rules": settings_of(laboratory_id=laboratory.pk),
        }
        return render(self.request, "cases/laboratory_settings.html", context, status=status)


class RangeEditView(LaboratoryMixin, View):
    """Add a reference range, or change one."""

    def get(self, request: HttpRequest, pk: int, range_pk: int | None = None) -> HttpResponse:
        laboratory = self.laboratory(pk)
        row = self.range(laboratory, range_pk) if range_pk else None
        return self.shown(laboratory, row, ReferenceRangeForm(instance=row))

    def post(self, request: HttpRequest, pk: int, range_pk: int | None = None) -> HttpResponse:
        laboratory = self.laboratory(pk)
        row = self.range(laboratory, range_pk) if range_pk else None
        form = ReferenceRangeForm(request.POST)
        if form.is_valid():
            try:
                save_range(
                    user=self.person,
                    laboratory=laboratory,
                    range_id=row.pk if row else None,
                    **form.cleaned_data,
                )
            except ServiceError as error:
                add_errors(form, error)
            else:
                messages.success(request, _("The reference range is saved."))
                return redirect("laboratory_settings", pk)
        return self.shown(laboratory, row, form, status=400)

    def shown(
        self,
        laboratory: Laboratory,
        row: ReferenceRange | None,
        form: ReferenceRangeForm,
        status: int = 200,
    ) -> HttpResponse:
        context = {"laboratory": laboratory, "range": row, "form": form}
        return render(self.request, "cases/range_edit.html", context, status=status)


class RangeDeleteView(LaboratoryMixin, View):
    """Take a reference range away."""

    def post(self, request: HttpRequest, pk: int, range_pk: int) -> HttpResponse:
        laboratory = self.laboratory(pk)
        row = self.range(laboratory, range_pk)
        delete_range(user=self.person, laboratory=laboratory, range_id=row.pk)
        messages.success(request, _("The reference range is deleted."))
        return redirect("laboratory_settings", pk)
