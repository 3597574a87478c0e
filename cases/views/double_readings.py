"""Asking for two blinded readings, what came of them, and the third reader's decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from cases.forms import DecisionForm, DoubleReadingForm
from cases.models import Adjudication, Cell, CellClass, DoubleReading, Reading
from cases.models.reading import CELLS_TO_READ
from cases.policies import Action
from cases.services.adjudication import decide_cell, finish_adjudication
from cases.services.comparison import compare_readings, paired_labels
from cases.services.errors import ServiceError
from cases.services.readings import (
    is_reader,
    possible_readers,
    request_double_reading,
    withdraw,
)
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.services.comparison import PairedLabel

REQUESTS_PER_PAGE = 20
DISPUTES_PER_PAGE = 12


class CaseDoubleReadingsView(PageMixin, View):
    """The double readings of a case (GET), and a request for one (POST)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.page(request, pk)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.CORRECT)
        readers = possible_readers(case=case, requested_by=self.person)
        form = DoubleReadingForm(request.POST, readers=readers)
        if not form.is_valid():
            return self.page(request, pk, form=form, status=400)
        try:
            request_double_reading(
                case_id=pk, user=self.person, reader_ids=form.cleaned_data["readers"]
            )
        except ServiceError as error:
            form.add_service_errors(error)
            return self.page(request, pk, form=form, status=error.status)
        messages.success(
            request, _("Both readers find the case in their work list; it is out of their sight.")
        )
        return redirect("case_double_readings", pk)

    def page(
        self,
        request: HttpRequest,
        pk: int,
        *,
        form: DoubleReadingForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        case = self.get_case(pk)
        found = self.policy.double_readings().of_case(pk).for_display()
        page = Paginator(found, REQUESTS_PER_PAGE).get_page(request.GET.get("page"))
        may_ask = (
            self.policy.may(Action.CORRECT, case.laboratory_id)
            and not case.is_frozen
            and not DoubleReading.objects.of_case(pk).under_way().exists()
        )
        readers = possible_readers(case=case, requested_by=self.person) if may_ask else []
        context = {
            "case": case,
            "page_obj": page,
            "may_ask": may_ask,
            "candidates": Cell.objects.of_case(pk).leukocyte_candidates().count(),
            "cells_to_read": CELLS_TO_READ,
            "readers": readers,
            "form": form or DoubleReadingForm(readers=readers),
        }
        return render(request, "readings/case_double_readings.html", context, status=status)


class DoubleReadingView(PageMixin, View):
    """How far two readings are; once both are done, what they say and what is in dispute."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self.found(pk)
        readings = Reading.objects.filter(double_reading=found).with_progress()
        progress = list(readings.select_related("reader"))
        context: dict[str, Any] = {
            "double_reading": found,
            "case": found.case,
            "progress": progress,
            "may_withdraw": found.state in found.UNDER_WAY
            and not is_reader(found, self.person)
            and (
                found.requested_by_id == self.person.pk
                or self.policy.may(Action.MANAGE, found.case.laboratory_id)
            ),
        }
        if all(each.finished_at is not None for each in progress):
            pairs = paired_labels(found)
            context |= {"comparison": compare_readings(pairs)}
            context |= self.disputes(request, found, pairs)
        return render(request, "readings/double_reading.html", context)

    def found(self, pk: int) -> DoubleReading:
        found: DoubleReading = get_object_or_404(self.policy.double_readings().for_display(), pk=pk)
        return found

    def disputes(
        self, request: HttpRequest, found: DoubleReading, pairs: list[PairedLabel]
    ) -> dict[str, Any]:
        """One page of the cells the readers named differently, with what was decided."""
        disputed = [each for each in pairs if not each.agreed]
        decided = Adjudication.objects.latest_of(found.pk)
        page = Paginator(disputed, DISPUTES_PER_PAGE).get_page(request.GET.get("page"))
        cells = Cell.objects.select_related("label").in_bulk([each.cell for each in page])
        return {
            "page_obj": page,
            "disputes": [
                {
                    "pair": each,
                    "cell": cells[each.cell],
                    "decision": decided.get(each.reading_cell),
                }
                for each in page
            ],
            "left": sum(each.reading_cell not in decided for each in disputed),
            "classes": list(CellClass.objects.all()),
            "may_adjudicate": found.state == found.State.ADJUDICATION
            and self.policy.may(Action.CORRECT, found.case.laboratory_id)
            and not is_reader(found, self.person)
            and found.adjudicator_id in (None, self.person.pk)
            and not found.case.is_frozen,
        }


class DoubleReadingActionView(PageMixin, View):
    """What is done with a double reading: each by a POST, back to its page."""

    def found(self, pk: int) -> DoubleReading:
        found: DoubleReading = get_object_or_404(self.policy.double_readings(), pk=pk)
        laboratory_id = self.policy.cases().values_list("laboratory_id", flat=True)
        self.demand(Action.CORRECT, laboratory_id.get(pk=found.case_id))
        return found


class WithdrawView(DoubleReadingActionView):
    """The end without a result."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.found(pk)
        ended = withdraw(double_reading_id=pk, user=self.person)
        messages.success(request, _("The double reading is withdrawn."))
        return redirect("case_double_readings", ended.case_id)


class DecideView(DoubleReadingActionView):
    """A decision on one cell."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.found(pk)
        form = DecisionForm(request.POST)
        if not form.is_valid():
            raise ServiceError("invalid", next(iter(form.errors.values()))[0])
        decided = decide_cell(
            double_reading_id=pk,
            user=self.person,
            reading_cell_id=form.cleaned_data["reading_cell"],
            label=form.cleaned_data["label"],
            expected_version=form.cleaned_data["expected_version"],
        )
        messages.success(request, _("Decided: %(name)s.") % {"name": decided.label.name})
        page = form.cleaned_data["page"] or 1
        anchor = f"dispute-{decided.reading_cell_id}"
        return redirect(f"{reverse('double_reading', args=[pk])}?page={page}#{anchor}")


class FinishAdjudicationView(DoubleReadingActionView):
    """The end with a result."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.found(pk)
        finish_adjudication(double_reading_id=pk, user=self.person)
        messages.success(
            request, _("The case now says what the readings say. Look at it, then sign it.")
        )
        return redirect("double_reading", pk)
