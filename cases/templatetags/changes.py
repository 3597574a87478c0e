"""Words of ``cases.services.versions.FactChange``: what it is about, and what was said."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, cast

from django import template
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from cases.models import LaboratorySettings, Patient, SmearCase
from cases.templatetags.interface import day, moment
from cases.templatetags.results import border_rule_name, from_text, missing, plain, sex_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Field, Model

    from cases.services.versions import FactChange

register = template.Library()

# The document's part by the model whose fields it holds.
MODELS: dict[str, type[Model]] = {
    "patient": Patient,
    "case": SmearCase,
    "rules": LaboratorySettings,
    "fields": LaboratorySettings,
}
WORDS: dict[str, Callable[[Any], str]] = {
    "patient.sex": sex_word,
    "patient.birth_date": lambda text: day(date.fromisoformat(text)),
    "case.collected_at": lambda text: moment(from_text(text)),
    "case.received_at": lambda text: moment(from_text(text)),
    "fields.border_rule": border_rule_name,
    "not_applied": lambda codes: "; ".join(missing(code) for code in codes),
    "models": ", ".join,
}


@register.filter
def fact_name(change: FactChange) -> str:
    """What the change is about: a field's own name, or words for what no field holds."""
    words = {
        "laboratory.name": _("Laboratory"),
        "patient.identifier": _("Patient identifier"),
        "patient.name": _("Patient's name"),
        "patient.age_at_collection": _("Age at collection"),
        "fields.fields": _("Searched fields"),
        "not_applied": _("What some reference ranges lacked"),
        "models": _("Models"),
    }
    if change.name in words:
        return words[change.name]
    part, field = change.name.split(".")
    held = cast("Field[Any, Any]", MODELS[part]._meta.get_field(field))
    return str(capfirst(held.verbose_name))


@register.filter
def fact_value(value: Any, name: str) -> str:
    """One side of the change in the reader's notation; a dash for nothing."""
    if value in (None, "", []):
        return "–"
    if name in WORDS:
        return WORDS[name](value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value) if isinstance(value, str) else plain(value)
