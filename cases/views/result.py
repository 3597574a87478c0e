"""The result page of a case, the panel of it on the case page, findings and the WBC count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views import View

from cases.policies import Action
from cases.result_forms import FindingForm, WhiteCellsForm
from cases.services.errors import ServiceError
from cases.services.findings import add_finding, set_analyser_wbc, withdraw_finding
from cases.services.results import case_result
from cases.services.snapshots import case_summary
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SmearCase
    from cases.policies import AccessPolicy

VERSIONS_SHOWN = 20


def result_context(
    case: SmearCase,
    policy: AccessPolicy,
    *,
    white_cells_form: WhiteCellsForm | None = None,
    finding_form: FindingForm | None = None,
) -> dict[str, Any]:
    """What the result page and the case page's panel show; forms as typed after a refusal."""
    result = case_result(case=case)
    open_to = {
        action: policy.may(action, case.laboratory_id) and not case.is_frozen
        for action in (Action.UPLOAD, Action.CORRECT, Action.SIGN)
    }
    sign_offs = policy.sign_offs().of_case(case.pk).without_snapshot()
    return {
        "case": case,
        "counts": result.counts,
        "held": case_summary(case=case, result=result),
        "no_ranges": not result.has_ranges,
        "findings": policy.findings().of_case(case.pk).standing().for_display(),
        "versions": sign_offs.select_related("signed_by", "amendment")[:VERSIONS_SHOWN],
        "white_cells_form": white_cells_form
        or WhiteCellsForm(initial={"analyser_wbc": case.analyser_wbc and float(case.analyser_wbc)}),
        "finding_form": finding_form or FindingForm(),
        "may_enter": open_to[Action.UPLOAD],
        "may_find": open_to[Action.CORRECT],
        "may_sign": open_to[Action.SIGN],
        "may_amend": case.is_frozen and policy.may(Action.SIGN, case.laboratory_id),
        "may_manage": policy.may(Action.MANAGE, case.laboratory_id),
    }


class CaseResultView(PageMixin, View):
    """The differential in full: intervals, before and after review, absolute counts, flags."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        context = result_context(self.get_case(pk), self.policy)
        return render(request, "cases/case_result.html", context)


class CaseResultPanelView(PageMixin, View):
    """The short form of it, fetched by the case page whenever a cell has changed."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        context = result_context(self.get_case(pk), self.policy)
        return render(request, "cases/partials/result_panel.html", context)


class WhiteCellsView(PageMixin, View):
    """Enter the analyser's white cell count."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.UPLOAD)
        form = WhiteCellsForm(request.POST)
        if form.is_valid():
            value = form.cleaned_data["analyser_wbc"]
            try:
                set_analyser_wbc(case=case, user=self.person, value=value)
            except ServiceError as error:
                form.add_service_errors(error)
            else:
                text = _("The WBC count is entered.") if value else _("The WBC count is removed.")
                messages.success(request, text)
                return redirect("case_result", pk)
        context = result_context(case, self.policy, white_cells_form=form)
        return render(request, "cases/case_result.html", context, status=400)


class FindingAddView(PageMixin, View):
    """Record a finding outside the counted set."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.CORRECT)
        form = FindingForm(request.POST)
        if form.is_valid():
            try:
                add_finding(case=case, user=self.person, **form.as_asked())
            except ServiceError as error:
                form.add_service_errors(error)
            else:
                messages.success(request, _("The finding is recorded."))
                return redirect("case_result", pk)
        context = result_context(case, self.policy, finding_form=form)
        return render(request, "cases/case_result.html", context, status=400)


class FindingWithdrawView(PageMixin, View):
    """Take a finding back."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        finding = get_object_or_404(self.policy.findings().for_display(), pk=pk)
        self.demand(Action.CORRECT, finding.case.laboratory_id)
        withdraw_finding(finding_id=pk, user=self.person)
        messages.success(request, _("The finding is withdrawn."))
        return redirect("case_result", finding.case_id)
