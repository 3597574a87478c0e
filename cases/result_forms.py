"""What people type about a result: signatures, findings, the laboratory's rules and ranges."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cases.forms import StyledForm
from cases.models import CellClass, LaboratorySettings, ReferenceRange
from cases.services.findings import WBC_HIGHEST, WBC_LOWEST
from cases.services.signing import COMMENT_MAX_LENGTH

NUMBER = {"inputmode": "decimal", "autocomplete": "off"}


class SignForm(StyledForm):
    """A signature: the signer's password, and what they say with it."""

    comment = forms.CharField(
        label=_("Comment"),
        required=False,
        max_length=COMMENT_MAX_LENGTH,
        help_text=_("Printed with the result."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        help_text=_(
            "A signature needs it anew; with a second factor, a current code does as well."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


class AmendForm(StyledForm):
    """Why a signed version is opened again."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=COMMENT_MAX_LENGTH,
        help_text=_("Shown with both versions."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class WhiteCellsForm(StyledForm):
    """The analyser's white cell count; empty takes it away."""

    analyser_wbc = forms.DecimalField(
        label=_("WBC count of the analyser, 10⁹/L"),
        required=False,
        localize=True,
        decimal_places=3,
        min_value=WBC_LOWEST,
        max_value=WBC_HIGHEST,
        widget=forms.TextInput(attrs=NUMBER),
    )


class FindingForm(StyledForm):
    """Something rare that was seen outside the counted set."""

    cell_class = forms.ModelChoiceField(
        label=_("Class"),
        queryset=CellClass.objects.all(),
        to_field_name="code",
        required=False,
        empty_label=_("none of the classes"),
    )
    text = forms.CharField(
        label=_("In words"),
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    image = forms.IntegerField(
        label=_("Image number"),
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    cell = forms.IntegerField(
        label=_("Cell number"),
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def as_asked(self) -> dict[str, Any]:
        """The service's arguments."""
        data = self.cleaned_data
        return {
            "cell_class": data["cell_class"].code if data["cell_class"] else "",
            "text": data["text"],
            "cell_number": data["cell"],
            "image_number": data["image"],
        }


class _ModelForm(forms.ModelForm):
    """A model's fields in the design system's clothes; the service checks and saves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            elif isinstance(field.widget, forms.Select):
                field.widget.attrs["class"] = "form-select"
            else:
                field.widget.attrs["class"] = "form-control"

    def _post_clean(self) -> None:
        """Leave the rules of the model to the service, which knows the laboratory."""


class LaboratorySettingsForm(_ModelForm):
    """A laboratory's rules."""

    class Meta:
        model = LaboratorySettings
        fields = (
            "require_all_reviewed", "nrbc_threshold", "analyser_excludes_nrbc", "border_rule",
            "platelet_factor", "camera_pixel_size",
        )  # fmt: skip
        # Named here, since labels taken from the model begin with a capital.
        labels = {"nrbc_threshold": _("nRBC threshold for the WBC correction")}
        localized_fields = ("nrbc_threshold", "camera_pixel_size")
        widgets = {
            "nrbc_threshold": forms.TextInput(attrs=NUMBER),
            "platelet_factor": forms.TextInput(attrs=NUMBER),
            "camera_pixel_size": forms.TextInput(attrs=NUMBER),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["border_rule"].required = False

    def clean_border_rule(self) -> str:
        """Without a choice the rule stays as it is."""
        return str(self.cleaned_data["border_rule"] or self.instance.border_rule)


class ReferenceRangeForm(_ModelForm):
    """One reference range."""

    cell_class = forms.ModelChoiceField(
        label=_("Class"),
        queryset=CellClass.objects.exclude(group=CellClass.Group.PLATELET),
        to_field_name="code",
    )

    class Meta:
        model = ReferenceRange
        fields = (
            "cell_class", "sex", "age_from", "age_to", "age_unit", "percent_low", "percent_high",
            "absolute_low", "absolute_high", "source",
        )  # fmt: skip
        localized_fields = ("percent_low", "percent_high", "absolute_low", "absolute_high")
        widgets = {
            name: forms.TextInput(attrs=NUMBER)
            for name in (
                "age_from", "age_to", "percent_low", "percent_high", "absolute_low",
                "absolute_high",
            )
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.cell_class_id:
            self.initial["cell_class"] = self.instance.cell_class.code
