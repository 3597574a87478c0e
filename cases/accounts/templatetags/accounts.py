"""Fields of forms that the library brings, in the design system's clothes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms, template

if TYPE_CHECKING:
    from django.forms import BoundField

register = template.Library()


@register.inclusion_tag("accounts/partials/styled_field.html")
def styled_field(field: BoundField) -> dict[str, Any]:
    """A field with its label, its help and its errors."""
    widget = field.field.widget
    group = isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect)
    check = isinstance(widget, forms.CheckboxInput)
    if group:
        widget.attrs["class"] = "form-check-input"
        return {"field": field, "group": True}
    kind = "form-select" if isinstance(widget, forms.Select) else "form-control"
    attributes: dict[str, str | bool] = {"class": "form-check-input" if check else kind}
    widget.attrs.pop("placeholder", None)  # the label says it, and stays
    return {"field": field, "check": check, "widget": field.as_widget(attrs=attributes)}
