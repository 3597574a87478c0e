"""What may be asked of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from cases.forms import StyledForm
from cases.services.errors import ServiceError
from classifier.reports.services.contents import DRAFT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cases.models import SignOff, SmearCase

VERSION_MAX = 2**31 - 1


class ReportForm(StyledForm):
    """The choices of a report; an empty one stands for what is usual."""

    language = forms.ChoiceField(
        label=_("Language"), choices=lambda: settings.LANGUAGES, required=False
    )
    version = forms.IntegerField(
        label=_("Version"), required=False, min_value=DRAFT, max_value=VERSION_MAX
    )
    pictures = forms.BooleanField(
        label=_("Representative cells, three of each class at most"), required=False
    )
    heatmaps = forms.BooleanField(label=_("With the model's heatmaps"), required=False)


def usual_language(case: SmearCase) -> str:
    """The patient's language where it is known, else the reader's."""
    return case.patient.language or (get_language() or settings.LANGUAGE_CODE).split("-")[0]


def version_choices(case: SmearCase, signed: list[SignOff]) -> list[tuple[int, Any]]:
    """The versions of a report one may ask for, the usual one first."""
    versions: list[tuple[int, Any]] = [
        (each.version, _("Version %(version)s, signed") % {"version": each.version})
        for each in sorted(signed, key=lambda each: -each.version)
    ]
    if not case.is_frozen:
        versions.insert(0, (DRAFT, _("Preliminary, as the case stands")))
    return versions


def asked(case: SmearCase, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the choices from an address.

    Returns:
        ``language``, ``version`` (``None`` for the usual one), ``pictures`` and ``heatmaps``.

    Raises:
        ServiceError: ``invalid`` with messages by field.
    """
    form = ReportForm(given)
    if not form.is_valid():
        raise ServiceError(
            "invalid",
            _("The report's address asks for something that does not exist; choose again."),
            extra={"errors": dict(form.errors)},
        )
    choices = form.cleaned_data
    choices["language"] = choices["language"] or usual_language(case)
    return choices
