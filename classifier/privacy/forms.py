"""Forms of the privacy pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from classifier.privacy.models import RetentionRules


class RetentionForm(forms.ModelForm):
    """Days of each rule."""

    class Meta:
        model = RetentionRules
        fields = ("names_days", "pictures_days", "unsigned_days")


class PatientSearchForm(forms.Form):
    """Whose data is meant."""

    identifier = forms.CharField(label=_("Patient identifier"), max_length=64, required=False)


class RemovalForm(forms.Form):
    """The identifier typed once more: nobody removes by a slip of the finger."""

    identifier = forms.CharField(label=_("Type the identifier to confirm"), max_length=64)

    def __init__(self, *args: Any, identifier: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._identifier = identifier

    def clean_identifier(self) -> str:
        """Raises: ValidationError: for another identifier."""
        given: str = self.cleaned_data["identifier"].strip()
        if given != self._identifier:
            raise forms.ValidationError(
                _("This is not the identifier of the patient. Nothing was removed.")
            )
        return given
