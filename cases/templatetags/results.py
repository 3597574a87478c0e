"""Pieces of a result page; they read the document of ``cases.services.snapshots``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.utils.html import format_html
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from cases.flags import LEUKOCYTES_AT_MOST
from cases.models import Cell, Detection, LaboratorySettings, Patient, ReferenceRange
from cases.services import results
from cases.templatetags.interface import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.safestring import SafeString

register = template.Library()

TONES = {"high": "red", "low": "azure", "present": "red"}


@register.filter
def in_language(names: Mapping[str, str] | None) -> str:
    """A name kept in every language, in the reader's."""
    if not names:
        return ""
    language = (get_language() or "en").split("-")[0]
    return names.get(language) or next(iter(names.values()))


@register.filter
def limits(row: Any, kind: str) -> str:
    """A range's limits in the reader's notation; ``kind`` is ``percent`` or ``absolute``."""
    if not row:
        return "–"
    return between(_of(row, f"{kind}_low"), _of(row, f"{kind}_high"))


def between(low: Any, high: Any) -> str:
    """Two limits in the reader's notation, with every decimal the laboratory gave them."""
    if low is None and high is None:
        return "–"
    if high == 0:
        return plain(0)
    if low is None:
        return f"≤ {plain(high)}"
    if high is None:
        return f"≥ {plain(low)}"
    return f"{plain(low)} – {plain(high)}"


@register.filter
def plain(value: Any) -> str:
    """A number with as many decimals as it has, at most three."""
    if value is None:
        return "–"
    decimals = len(f"{float(value):.3f}".rstrip("0").split(".")[1])
    return rounded(float(value), decimals)


@register.filter
def with_interval(estimate: Mapping[str, Any] | None, unit: str = "") -> str:
    """A value with its interval, in the reader's notation; a dash for none."""
    if not estimate or estimate["value"] is None:
        return "–"
    value, low, high = (
        "–" if estimate[name] is None else rounded(estimate[name], 1)
        for name in ("value", "ci_low", "ci_high")
    )
    space = "\u00a0" if unit else ""
    return f"{value}{space}{unit} ({low} – {high})"


@register.filter
def cell_kind_name(code: str) -> str:
    """The name of a kind of cells on fields, several of them."""
    names = {
        Detection.Kind.WHITE_CELL: _("white cells"),
        Detection.Kind.PLATELET: _("platelets"),
        Detection.Kind.RED_CELL: _("red cells"),
    }
    return names[Detection.Kind(code)]


@register.filter
def border_rule_name(code: str) -> str:
    """Which cells cut by the border were counted, as a sentence."""
    if code == LaboratorySettings.BorderRule.LEFT_TOP:
        return _("cells cut by the right or bottom edge are not counted")
    return _("cells cut by the border are counted")


@register.filter
def whom(row: Any) -> str:
    """For whom a range is: sex and ages."""
    sex = ReferenceRange.Sex(_of(row, "sex")).label
    low, high, unit = (_of(row, name) for name in ("age_from", "age_to", "age_unit"))
    if low is None and high is None:
        return pgettext("whom a range is for", "%(sex)s, every age") % {"sex": sex}
    return pgettext("whom a range is for", "%(sex)s, %(ages)s %(unit)s") % {
        "sex": sex,
        "ages": f"≥ {low}" if high is None else f"{low or 0} – < {high}",
        "unit": ReferenceRange.AgeUnit(unit).label,
    }


def _of(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)


@register.simple_tag
def flag(judgement: Mapping[str, Any] | None) -> SafeString | str:
    """What is said of a class against its range: a badge for a flag, words for the rest."""
    if judgement is None:
        return ""
    standing = judgement["standing"]
    if standing in TONES:
        words = {"high": _("high"), "low": _("low"), "present": _("present")}[standing]
        return format_html(
            '<span class="badge tone-{}" data-flag="{}">{}</span>', TONES[standing], standing, words
        )
    if standing == "undecided":
        outside = "mark-review" if judgement["leaning"] != "within" else "text-secondary"
        return format_html(
            '<span class="small {}" data-flag="undecided">{}</span>', outside, _undecided(judgement)
        )
    words = _("within the range") if standing == "within" else _("not seen")
    return format_html(
        '<span class="text-secondary small" data-flag="{}">{}</span>', standing, words
    )


def _undecided(judgement: Mapping[str, Any]) -> str:
    leaning = {
        "high": _("looks high"),
        "low": _("looks low"),
        "within": _("looks normal"),
    }[judgement["leaning"]]
    if judgement["more"] is None:
        settle = _("counting up to %(number)s leukocytes does not settle it") % {
            "number": rounded(LEUKOCYTES_AT_MOST, 0)
        }
    else:
        settle = ngettext(
            "count %(number)s more leukocyte to settle",
            "count %(number)s more leukocytes to settle",
            judgement["more"],
        ) % {"number": rounded(judgement["more"], 0)}
    return f"{leaning}: {settle}"


@register.filter
def missing(code: str) -> str:
    """What keeps a range from being applied, in words."""
    return {
        results.SEX_UNKNOWN: _("the patient's sex is not known"),
        results.BIRTH_DATE_UNKNOWN: _("the patient's birth date is not known"),
        results.COLLECTION_UNKNOWN: _("the time of collection is not known"),
    }[code]


@register.filter
def white_cells_reason(code: str) -> str:
    """Why the white cell count is taken as it is."""
    return {
        results.CORRECTED: _("corrected for nRBC"),
        results.BELOW_THRESHOLD: _("not corrected: nRBC below the laboratory's threshold"),
        results.ANALYSER_EXCLUDES: _("not corrected: the analyser already excludes nRBC"),
        results.NO_LEUKOCYTES: _("not corrected: no leukocyte is named yet"),
    }[code]


@register.filter
def review_word(state: str) -> str:
    """A cell's review state, as signed."""
    return str(Cell.ReviewState(state).label)


@register.filter
def sex_word(sex: str) -> str:
    """A patient's sex, as signed."""
    return str(Patient.Sex(sex).label)


@register.filter
def from_text(value: Any) -> datetime | None:
    """A moment as JSON keeps it; a moment stays one."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


@register.simple_tag
def class_of(code: str | None, names: Mapping[str, str]) -> str:
    """A class's name by its code, or that the cell has none."""
    return names.get(code, code) if code else _("not yet named")
