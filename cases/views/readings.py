"""The blinded reading: one cell after another, without any label but the reader's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from cases.forms import ReadingLabelForm
from cases.models import CellClass, ReadingLabel
from cases.services.errors import Missing, ServiceError
from cases.services.readings import POSITIONS, cell_at, finish_reading, name_cell
from cases.views.base import PageMixin
from cases.views.media import photo_answer
from cases.views.workspace import class_keys

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cases.policies import AccessPolicy


def own_reading(policy: AccessPolicy, pk: int) -> Any:
    """A reading of the person's own, with its case and its progress.

    Raises:
        Http404: for those of others too.
    """
    readings = policy.readings().for_display().with_progress()
    return get_object_or_404(readings, pk=pk)


def keyed_classes() -> list[tuple[list[str], CellClass]]:
    """Every class with the keys that give it, the same as in the review workspace."""
    classes = list(CellClass.objects.all())
    keys = class_keys(classes)
    return [(keys[each.code], each) for each in classes]


class ReadingView(PageMixin, View):
    """One cell of a reading (GET, ``?cell=`` its place) and a name for it (POST)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        reading = own_reading(self.policy, pk)
        return self.page(request, reading, self.asked_position(request, reading))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Name a cell and go on to the next one."""
        reading = own_reading(self.policy, pk)
        form = ReadingLabelForm(request.POST)
        if not form.is_valid():
            raise ServiceError("invalid", next(iter(form.errors.values()))[0])
        position = form.cleaned_data["position"]
        name_cell(
            reading_id=pk, user=self.person, position=position, label=form.cleaned_data["label"]
        )
        following = min(position + 1, reading.total)
        if getattr(request, "htmx", False):
            return self.page(request, own_reading(self.policy, pk), following)
        return redirect(f"{reverse('reading', args=[pk])}?cell={following}")

    def asked_position(self, request: HttpRequest, reading: Any) -> int:
        """The place asked for, else that of the first cell without a name."""
        asked = request.GET.get("cell", "")
        if asked.isdecimal() and 1 <= int(asked[:9]) <= reading.total:
            return int(asked[:9])
        named = ReadingLabel.objects.filter(reading=reading).values("reading_cell")
        place = POSITIONS[reading.number]
        left = reading.double_reading.cells.exclude(pk__in=named).order_by(place)
        first: int | None = left.values_list(place, flat=True).first()
        return first or 1

    def page(self, request: HttpRequest, reading: Any, position: int) -> HttpResponse:
        labels = ReadingLabel.objects.filter(reading=reading)
        own = labels.filter(reading_cell=cell_at(reading, position)).select_related("label").first()
        context = {
            "reading": reading,
            "position": position,
            "previous": position - 1,
            "following": position + 1 if position < reading.total else None,
            "left": reading.total - reading.labelled,
            "own": own,
            "keyed_classes": keyed_classes(),
            "open": reading.finished_at is None and reading.double_reading.state == "reading",
        }
        part = getattr(request, "htmx", False)
        return render(
            request,
            "readings/partials/reading_cell.html" if part else "readings/reading.html",
            context,
        )


class ReadingFinishView(PageMixin, View):
    """The end of a reading."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        reading = own_reading(self.policy, pk)
        finish_reading(reading_id=pk, user=self.person)
        reading.double_reading.refresh_from_db()
        if reading.double_reading.state == "reading":
            messages.success(
                request,
                _("Your reading is done. The case opens to you when the other one is done too."),
            )
            return redirect("work_list")
        messages.success(request, _("Both readings are done."))
        return redirect("double_reading", reading.double_reading_id)


class ReadingPhotoView(PageMixin, View):
    """The photo of a cell by its place in the reading; neither its key nor its file is told."""

    def get(self, request: HttpRequest, pk: int, position: int) -> HttpResponse:
        reading = get_object_or_404(self.policy.readings(), pk=pk)
        try:
            cell = cell_at(reading, position).cell
        except Missing as error:
            raise Http404 from error
        return photo_answer(request, cell)
