"""An administrator's pages: how long data is kept, and removing a patient's on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from cases.accounts.views.members import ManagerMixin
from cases.policies import Action
from classifier.privacy import removing, retention
from classifier.privacy.forms import PatientSearchForm, RemovalForm, RetentionForm
from classifier.privacy.models import Removal

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import Laboratory
    from classifier.privacy.removing import Plan

PER_PAGE = 25
PATIENTS_SHOWN = 20


def counted(plan: Plan) -> list[tuple[str, int]]:
    """Numbers by the tables' names in the reader's language."""
    return [
        (str(apps.get_model(label)._meta.verbose_name_plural), number)
        for label, number in plan.rows.items()
    ]


class PrivacyView(ManagerMixin, View):
    """The rules, what they let go at present, whose data to remove, and what was removed."""

    def get(self, request: HttpRequest) -> HttpResponse:
        laboratory = self.chosen_laboratory()
        form = RetentionForm(instance=retention.rules_of(laboratory))
        return self.page(request, laboratory, form)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep the rules. Nothing goes before the command runs."""
        laboratory = self.chosen_laboratory()
        form = RetentionForm(request.POST, instance=retention.rules_of(laboratory))
        if not form.is_valid():
            return self.page(request, laboratory, form, status=422)
        rules = form.save(commit=False)
        rules.updated_by = self.person
        rules.save()
        messages.success(request, _("The rules are saved. What they let go now stands below."))
        return redirect(f"{reverse('privacy')}?laboratory={laboratory.pk}")

    def page(
        self, request: HttpRequest, laboratory: Laboratory, form: RetentionForm, status: int = 200
    ) -> HttpResponse:
        due = retention.due(laboratory=laboratory)
        search = PatientSearchForm(request.GET)
        wanted = search.cleaned_data["identifier"].strip() if search.is_valid() else ""
        patients: list[Any] = []
        if wanted:
            rows = self.policy.patients(Action.MANAGE).filter(laboratory=laboratory)
            found = rows.filter(identifier__icontains=wanted).with_name()
            patients = list(found[:PATIENTS_SHOWN])
        removals = Removal.objects.filter(laboratory=laboratory).select_related("made_by")
        page = Paginator(removals, PER_PAGE).get_page(request.GET.get("page"))
        return render(
            request,
            "classifier/privacy.html",
            {
                "laboratory": laboratory,
                "laboratories": list(self.laboratories),
                "form": form,
                "due": due,
                "counted": counted(due.plan),
                "search": search,
                "wanted": wanted,
                "patients": patients,
                "page_obj": page,
                "removals": [{"row": each, "total": sum(each.rows.values())} for each in page],
            },
            status=status,
        )


class PatientRemovalView(ManagerMixin, View):
    """What removing a patient's data takes and leaves, exactly; then removing it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        patient = get_object_or_404(self.policy.patients(Action.MANAGE), pk=pk)
        return self.page(request, patient, RemovalForm(identifier=patient.identifier))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        patient = get_object_or_404(self.policy.patients(Action.MANAGE), pk=pk)
        form = RemovalForm(request.POST, identifier=patient.identifier)
        if not form.is_valid():
            return self.page(request, patient, form, status=422)
        plan = removing.remove_patient(user=self.person, patient=patient)
        messages.success(
            request,
            _("%(rows)s rows and %(files)s pictures were removed.")
            % {"rows": plan.total, "files": plan.files},
        )
        return redirect(f"{reverse('privacy')}?laboratory={patient.laboratory_id}")

    def page(
        self, request: HttpRequest, patient: Any, form: RemovalForm, status: int = 200
    ) -> HttpResponse:
        plan = removing.plan_for_patient(patient=patient)
        context = {"patient": patient, "plan": plan, "counted": counted(plan), "form": form}
        return render(request, "classifier/patient_removal.html", context, status=status)
