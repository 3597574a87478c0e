"""The case list and new cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.generic import FormView, ListView, TemplateView

from cases.forms import CaseFilterForm, NewCaseForm
from cases.models import Cell
from cases.policies import Action
from cases.services.cases import create_case, create_patient
from cases.services.errors import ServiceError
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from cases.querysets import SmearCaseQuerySet

SUGGESTED_PATIENTS = 20


class CaseListView(PageMixin, ListView):
    """The laboratory's cases, newest first, with how far each has come."""

    template_name = "cases/case_list.html"
    context_object_name = "cases"
    paginate_by = 25

    def get_queryset(self) -> SmearCaseQuerySet:
        self.filter_form = CaseFilterForm(self.request.GET)
        cases = self.policy.cases().for_display()
        if self.filter_form.is_valid():
            if text := self.filter_form.cleaned_data["q"]:
                cases = cases.search(text)
            if status := self.filter_form.cleaned_data["status"]:
                cases = cases.in_status(status)
        return cases

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        # Only the cells of the cases on this page are counted.
        progress = Cell.objects.progress_by_case(case.pk for case in context["cases"])
        rows = [{"case": case, "progress": progress.get(case.pk)} for case in context["cases"]]
        filtered = any(self.request.GET.get(name) for name in ("q", "status"))
        return context | {
            "rows": rows,
            "filter_form": self.filter_form,
            "filtered": filtered,
            "several_laboratories": len(self.policy.laboratory_ids()) > 1,
        }


class NewCaseView(PageMixin, FormView):
    """Open a case for a known patient or a new one."""

    template_name = "cases/case_new.html"
    form_class = NewCaseForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not self.policy.may_anywhere(Action.UPLOAD):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {
            "laboratories": self.policy.laboratories(Action.UPLOAD),
            "policy": self.policy,
        }

    def form_valid(self, form: NewCaseForm) -> HttpResponse:
        data = form.cleaned_data
        user, laboratory = self.person, data["laboratory"]
        try:
            # A patient without the case is not kept: the reader would meet "exists" next time.
            with transaction.atomic():
                patient = data["patient"] or create_patient(
                    user=user,
                    laboratory=laboratory,
                    identifier=data["identifier"],
                    name=data["name"],
                    sex=data["sex"] or "unknown",
                    birth_date=data["birth_date"],
                    language=data["language"],
                )
                case = create_case(
                    user=user,
                    laboratory=laboratory,
                    patient=patient,
                    accession_number=data["accession_number"],
                    collected_at=data["collected_at"],
                    received_at=data["received_at"],
                    stain=data["stain"],
                    clinical_note=data["clinical_note"],
                    micrometres_per_pixel=data["micrometres_per_pixel"],
                    magnification=data["magnification"],
                )
        except ServiceError as error:
            form.add_service_errors(error, {"patient": "identifier"})
            return self.form_invalid(form)
        messages.success(
            self.request,
            _("Case %(number)s is open. Add its images now.") % {"number": case.accession_number},
        )
        return redirect("case_upload", case.pk)


class PatientSuggestionsView(PageMixin, TemplateView):
    """Known patients that match what is being typed, as options of the identifier field."""

    template_name = "cases/partials/patient_options.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        text = self.request.GET.get("identifier", "").strip()
        patients = self.policy.patients(Action.UPLOAD).search(text).with_name()[:SUGGESTED_PATIENTS]
        return super().get_context_data(**kwargs) | {"patients": patients if text else []}
