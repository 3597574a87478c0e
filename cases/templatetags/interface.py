"""Small pieces of the interface: icons, class names with their colour, intervals as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.templatetags.static import static
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cases.rounding import half_up

if TYPE_CHECKING:
    from datetime import date, datetime

    from django.core.paginator import Page
    from django.utils.safestring import SafeString

register = template.Library()

STATUS_COLORS = {
    "open": "secondary",
    "processing": "azure",
    "in_review": "orange",
    "signed_off": "green",
    "amended": "purple",
}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A picture from the sprite; hidden from screen readers, so words must stand beside it."""
    return format_html(
        '<svg class="icon {}" width="24" height="24" aria-hidden="true" focusable="false">'
        '<use href="{}#{}"></use></svg>',
        extra,
        static("icons/sprite.svg"),
        name,
    )


@register.simple_tag
def dot(color: str) -> SafeString:
    """A class's colour as a dot; an SVG attribute, since a strict CSP forbids style attributes."""
    return format_html(
        '<svg class="class-dot" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" '
        'focusable="false"><circle cx="6" cy="6" r="5" fill="{}"></circle></svg>',
        color,
    )


@register.simple_tag
def class_label(cell_class: Any) -> SafeString:
    """A class's colour dot and its name, or that the cell has no name yet."""
    if cell_class is None:
        return format_html('<span class="text-secondary">{}</span>', _("not yet named"))
    return format_html(
        '<span class="class-label">{}<span>{}</span></span>', dot(cell_class.color), cell_class.name
    )


@register.simple_tag
def cell_label(cell: Any) -> SafeString:
    """What a cell is called at present; ``unfamiliar`` in words when the model does not know it."""
    if cell.label is None and cell.unfamiliar:
        return format_html(
            '<span class="state-mark mark-review">{}{}</span>',
            icon("help-circle"),
            pgettext("cell", "unfamiliar"),
        )
    return class_label(cell.label)


@register.simple_tag
def interval_bar(low: float | None, value: float | None, high: float | None, color: str) -> Any:
    """A percentage and its interval on a line from 0 to 100; the numbers stand beside it."""
    if low is None or value is None or high is None:
        return ""
    return format_html(
        '<svg class="interval-bar" viewBox="0 0 100 10" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false">'
        '<rect class="interval-track" x="0" y="4" width="100" height="2"></rect>'
        '<rect class="interval-range" x="{}" y="3" width="{}" height="4"></rect>'
        '<rect x="{}" y="0" width="1.5" height="10" fill="{}"></rect></svg>',
        f"{low:.2f}",
        f"{max(high - low, 0.5):.2f}",
        f"{min(max(value - 0.75, 0), 98.5):.2f}",
        color,
    )


@register.simple_tag
def donut(slices: list[tuple[float, str]], label: str) -> SafeString:
    """Shares of a whole as a donut, clockwise from the top; a list beside it says the same.

    Args:
        slices: sizes in any one unit, each with its colour; nothing is drawn of an empty one.
        label: what screen readers say of the picture.
    """
    return _shares_of_circle(slices, label, radius=15.9, width=6.5)


@register.simple_tag
def pie(slices: list[tuple[float, str]], label: str) -> SafeString:
    """The same without a hole."""
    return _shares_of_circle(slices, label, radius=9.6, width=19.2)


def _shares_of_circle(
    slices: list[tuple[float, str]], label: str, *, radius: float, width: float
) -> SafeString:
    """Arcs of one circle in a square of 42 by 42; their width makes them a ring or sectors."""
    total = sum(size for size, _color in slices)
    begun = 0.0
    arcs = []
    for size, color in slices:
        if total <= 0 or size <= 0:
            continue
        share = 100 * size / total
        # A circumference that counts as 100 makes every dash as long as its share.
        arcs.append(
            format_html(
                '<circle cx="21" cy="21" r="{}" fill="none" stroke="{}" stroke-width="{}" '
                'pathLength="100" stroke-dasharray="{} {}" stroke-dashoffset="{}"></circle>',
                radius,
                color,
                width,
                f"{share:.3f}",
                f"{100 - share:.3f}",
                f"{25 - begun:.3f}",
            )
        )
        begun += share
    return format_html(
        '<svg class="donut-picture" viewBox="0 0 42 42" role="img" aria-label="{}" '
        'focusable="false">{}</svg>',
        label,
        # Each arc was made by format_html above.
        mark_safe("".join(arcs)),  # nosec B308 B703 # noqa: S308
    )


@register.simple_tag
def share_bar(share: float, color: str) -> SafeString:
    """A share of 1 as a bar; the number stands beside it."""
    return format_html(
        '<svg class="share-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><rect class="interval-track" width="100" height="10"></rect>'
        '<rect width="{}" height="10" fill="{}"></rect></svg>',
        f"{100 * share:.2f}",
        color,
    )


def rounded(value: float, decimals: int) -> str:
    """A number in the reader's notation; Django's own ``number_format`` cuts digits off."""
    return number_format(half_up(value, decimals), decimals)


@register.filter
def as_percent(share: float | None, decimals: int = 1) -> str:
    """A share of 1 in percent, in the reader's notation. Never rounded up to a certain 100 %."""
    if share is None:
        return "–"
    percent = 100 * share
    largest = 100 - 10**-decimals
    if share < 1 and percent > largest:
        return f"> {rounded(largest, decimals)} %"
    return f"{rounded(percent, decimals)} %"


@register.filter
def as_points(difference: float | None) -> str:
    """A difference of two shares of 1 in percentage points, with its sign."""
    if difference is None:
        return "–"
    points = 100 * difference
    sign = "+" if points > 0 else "−" if points < 0 else ""
    return f"{sign}{rounded(abs(points), 1)}"


@register.filter
def p_value(p: float | None) -> str:
    """A probability as papers print it: three decimals, never zero."""
    if p is None:
        return "–"
    return f"< {rounded(0.001, 3)}" if p < 0.001 else rounded(p, 3)


@register.filter
def decimal(value: float | None, decimals: int = 1) -> str:
    """A number in the reader's notation, a dash for none."""
    return "–" if value is None else rounded(value, decimals)


@register.filter
def day(value: date | None) -> str:
    """A date with its month as a word: no country reads it the wrong way round."""
    # Translators: a date in Django's letters; "b" for "M" where months are in lower case.
    return date_format(value, _("j M Y")) if value else "–"


@register.filter
def moment(value: datetime | None) -> str:
    """A date and time of day in the site's time zone."""
    # Translators: a date and time in Django's letters, as above.
    return date_format(localtime(value), _("j M Y, H:i")) if value else "–"


@register.filter
def age(value: datetime | None) -> str:
    """How long ago, in the largest unit that fits: "3 hours"."""
    return timesince(value, depth=1) if value else "–"


@register.filter
def person(user: Any) -> str:
    """What somebody is called on pages."""
    return (user.get_full_name() or user.get_username()) if user else "–"


@register.simple_tag
def elided_pages(page: Page) -> list[int | str]:
    """Page numbers around the current one and at both ends, with an ellipsis between."""
    return list(page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1))


@register.filter
def status_color(status: str) -> str:
    """The design system's colour of a case's status."""
    return STATUS_COLORS[status]
