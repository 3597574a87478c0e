"""What administrators type into the model pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cases.forms import StyledForm
from cases.models import Laboratory
from cases.policies import Action
from classifier.models import ModelVersion
from classifier.policies import model_versions_of

if TYPE_CHECKING:
    from cases.models import SmearCase
    from cases.policies import AccessPolicy


class RunForm(StyledForm):
    """Over which cells a version is to run: a laboratory's, or those of one of its cases."""

    laboratory = forms.ModelChoiceField(
        label=_("Laboratory"), queryset=Laboratory.objects.none(), empty_label=None
    )
    accession_number = forms.CharField(
        label=_("Accession number"),
        required=False,
        max_length=64,
        help_text=_("Empty: every cell of the laboratory."),
    )

    def __init__(self, *args: Any, policy: AccessPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.fields["laboratory"].queryset = policy.laboratories(  # type: ignore[attr-defined]
            Action.MANAGE
        )

    def clean(self) -> dict[str, Any]:
        """Find the case, if one is named."""
        cleaned = super().clean() or {}
        number, laboratory = cleaned.get("accession_number"), cleaned.get("laboratory")
        case: SmearCase | None = None
        if number and laboratory:
            case = self.policy.cases(Action.MANAGE).accessioned(laboratory.pk, number)
            if case is None:
                self.add_error(
                    "accession_number", _("This laboratory has no case with this number.")
                )
        return {**cleaned, "case": case}


class ComparisonForm(StyledForm):
    """Which two versions are compared, and on which cells."""

    first = forms.ModelChoiceField(label=_("First version"), queryset=ModelVersion.objects.none())
    second = forms.ModelChoiceField(label=_("Second version"), queryset=ModelVersion.objects.none())
    laboratory = forms.ModelChoiceField(
        label=_("Laboratory"),
        queryset=Laboratory.objects.none(),
        required=False,
        empty_label=_("All I manage"),
    )
    cells = forms.ChoiceField(
        label=_("Cells"),
        required=False,
        choices=[("", _("All reviewed")), ("corrected", _("Corrected only"))],
    )

    def __init__(self, *args: Any, policy: AccessPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = model_versions_of(policy)
        self.fields["first"].queryset = versions  # type: ignore[attr-defined]
        self.fields["second"].queryset = versions  # type: ignore[attr-defined]
        self.fields["laboratory"].queryset = policy.laboratories(  # type: ignore[attr-defined]
            Action.MANAGE
        )

    def clean(self) -> dict[str, Any]:
        """Refuse one version against itself."""
        cleaned = super().clean() or {}
        if cleaned.get("first") and cleaned.get("first") == cleaned.get("second"):
            self.add_error("second", _("Choose two different versions."))
        return cleaned
