"""Giving a cell another class, from the case page's gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views import View
from django_htmx.http import trigger_client_event

from cases.forms import CorrectionForm
from cases.models import CellClass
from cases.policies import Action
from cases.services.corrections import correct_cell
from cases.services.counts import case_counts
from cases.services.errors import ServiceError
from cases.views.base import PageMixin, refusal
from cases.views.case_detail import summary_context
from cases.views.gallery import GalleryFilter

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import Cell, Correction, User
    from cases.policies import AccessPolicy


def cell_for_display(policy: AccessPolicy, pk: int) -> Cell:
    """A cell the reader may see, with its case.

    Raises:
        Http404: otherwise.
    """
    cell: Cell = get_object_or_404(policy.cells().for_display(), pk=pk)
    return cell


def correction_context(
    cell: Cell, *, form: CorrectionForm | None = None, error: ServiceError | None = None
) -> dict[str, Any]:
    """What the reclassify control needs; after a refusal with what was typed and why."""
    classes = list(CellClass.objects.all())
    return {
        "cell": cell,
        "model_classes": [each for each in classes if each.predicted],
        "review_classes": [each for each in classes if not each.predicted],
        "error": error,
        "chosen": form["to_class"].value() if form else (cell.label.code if cell.label else ""),
        "comment": form["comment"].value() if form else "",
    }


def correct_as_asked(*, cell: Cell, user: User, form: CorrectionForm) -> Correction:
    """Carry out what the form asks.

    Raises:
        ServiceError: ``invalid`` for an unusable form, else what the service says.
    """
    if not form.is_valid():
        first = next(iter(form.errors.values()))[0]
        raise ServiceError("invalid", first)
    return correct_cell(
        cell_id=cell.pk,
        user=user,
        to_class=form.cleaned_data["to_class"],
        comment=form.cleaned_data["comment"],
        expected_version=form.cleaned_data["expected_version"],
    )


def done_message(cell: Cell, correction: Correction) -> str:
    """What is said after a correction."""
    # Only taking a correction back can leave a cell without a name, and that is not done here.
    name = correction.to_class.name if correction.to_class else ""
    names = {"number": cell.number, "name": name}
    if correction.from_class_id == correction.to_class_id:
        return _("Cell %(number)s is confirmed: %(name)s.") % names
    return _("Cell %(number)s is now: %(name)s.") % names


class CellCorrectView(PageMixin, View):
    """The reclassify control (GET) and what it does (POST)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        cell = cell_for_display(self.policy, pk)
        self.demand(Action.CORRECT, cell.case.laboratory_id)
        return render(request, "cases/partials/reclassify_dialog.html", correction_context(cell))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        cell = cell_for_display(self.policy, pk)
        self.demand(Action.CORRECT, cell.case.laboratory_id)
        form = CorrectionForm(request.POST)
        try:
            correction = correct_as_asked(cell=cell, user=self.person, form=form)
        except ServiceError as error:
            return self.refused(request, cell_for_display(self.policy, pk), form, error)
        cell = cell_for_display(self.policy, pk)
        message = done_message(cell, correction)
        if not getattr(request, "htmx", False):
            messages.success(request, message)
            return redirect("cell_detail", pk)
        context = summary_context(cell.case, case_counts(case=cell.case), self.policy)
        context |= {
            "cell": cell,
            "out_of_band": True,
            "gallery_filter": GalleryFilter.of_page(request),
            "toast": {"level": "success", "message": message},
        }
        answer = render(request, "cases/partials/corrected.html", context)
        return trigger_client_event(answer, "cellCorrected", {"cell": pk})

    def refused(
        self, request: HttpRequest, cell: Cell, form: CorrectionForm, error: ServiceError
    ) -> HttpResponse:
        """Show the control again with the reason and the cell as it is now."""
        if not getattr(request, "htmx", False):
            return refusal(request, error)
        context = correction_context(cell, form=form, error=error)
        return render(
            request, "cases/partials/reclassify_dialog.html", context, status=error.status
        )
