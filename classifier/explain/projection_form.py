"""The form by which a projection is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.models import Laboratory, SmearCase
from classifier.models import Projection
from classifier.policies import laboratories_with_months

if TYPE_CHECKING:
    from cases.policies import AccessPolicy

CASES_OFFERED = 100


class ProjectionForm(forms.Form):
    """Which cells, and how."""

    source = forms.ChoiceField(
        label=gettext_lazy("Cells of"),
        choices=Projection.Source.choices,
        initial=Projection.Source.CASE,
        widget=forms.RadioSelect,
    )
    case = forms.ModelChoiceField(
        label=gettext_lazy("Case"),
        queryset=SmearCase.objects.none(),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    laboratory = forms.ModelChoiceField(
        label=gettext_lazy("Laboratory"),
        queryset=Laboratory.objects.none(),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    month = forms.DateField(
        label=gettext_lazy("Month"),
        required=False,
        input_formats=["%Y-%m"],
        widget=forms.DateInput(attrs={"class": "form-control", "type": "month"}, format="%Y-%m"),
        error_messages={"invalid": gettext_lazy("Write the month as year-month, like 2026-11.")},
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Method"),
        choices=Projection.Method.choices,
        initial=Projection.Method.UMAP,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        initial=42,
        min_value=0,
        max_value=2**31 - 1,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
        help_text=gettext_lazy("The same seed gives the same picture of the same cells."),
    )

    def __init__(self, policy: AccessPolicy, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cases: Any = self.fields["case"]
        cases.queryset = policy.cases()
        offered = policy.cases().order_by("-id")[:CASES_OFFERED]
        cases.choices = [("", "–"), *((each.pk, each.accession_number) for each in offered)]
        laboratories: Any = self.fields["laboratory"]
        laboratories.queryset = laboratories_with_months(policy)
        if policy.blinded_case_ids:
            laboratories.help_text = _(
                "While you read a case blind, the months of its laboratory are closed to you."
            )

    def clean(self) -> dict[str, Any]:
        """Ask for what the chosen source needs, and drop the rest."""
        cleaned: dict[str, Any] = super().clean() or {}
        source = cleaned.get("source")
        if source == Projection.Source.CASE:
            cleaned |= {"laboratory": None, "month": None}
            if not cleaned.get("case") and "case" not in self.errors:
                self.add_error("case", _("Choose a case."))
        elif source == Projection.Source.MONTH:
            cleaned["case"] = None
            for name, words in (
                ("laboratory", _("Choose a laboratory.")),
                ("month", _("Choose a month.")),
            ):
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, words)
        else:
            cleaned |= {"case": None, "laboratory": None, "month": None}
        return cleaned
