"""What people type into pages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from cases.models import Laboratory, Patient, SmearCase
from cases.services.corrections import COMMENT_MAX_LENGTH

if TYPE_CHECKING:
    from cases.models import User
    from cases.policies import AccessPolicy
    from cases.services.errors import ServiceError


class StyledForm(forms.Form):
    """A form whose fields carry the design system's classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.Select):
                field.widget.attrs.setdefault("class", "form-select")
            elif not isinstance(field.widget, forms.RadioSelect | forms.CheckboxInput):
                field.widget.attrs.setdefault("class", "form-control")

    def add_service_errors(self, error: ServiceError, names: dict[str, str] | None = None) -> None:
        """Put a service's answer where its field stands, the rest above the form.

        Args:
            error: with messages by field in ``extra["errors"]``, if any.
            names: the form's name of a field the service calls otherwise.
        """
        by_field: dict[str, list[Any]] = error.extra.get("errors", {})
        for name, messages in by_field.items():
            here = (names or {}).get(name, name)
            self.add_error(here if here in self.fields else None, list(messages))
        if not by_field:
            self.add_error(None, error.message)


class CaseFilterForm(StyledForm):
    """Search and status of the case list."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=100,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": _("Accession number or patient")}
        ),
    )
    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[("", _("Any status")), *SmearCase.Status.choices],
    )


class NewCaseForm(StyledForm):
    """A case, with a patient the laboratory knows or one registered along the way."""

    KNOWN, NEW = "known", "new"

    laboratory = forms.ModelChoiceField(
        label=_("Laboratory"), queryset=Laboratory.objects.none(), empty_label=None
    )
    patient_mode = forms.ChoiceField(
        label=_("Patient"),
        choices=[(KNOWN, _("Known patient")), (NEW, _("New patient"))],
        initial=KNOWN,
        widget=forms.RadioSelect,
    )
    identifier = forms.CharField(
        label=_("Patient identifier"),
        max_length=64,
        help_text=_("The laboratory's own identifier."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "known-patients"}),
    )
    name = forms.CharField(label=_("Name"), max_length=200, required=False)
    sex = forms.ChoiceField(label=_("Sex"), choices=Patient.Sex.choices, required=False)
    birth_date = forms.DateField(
        label=_("Birth date"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=[("", _("not stated")), *settings.LANGUAGES],
        required=False,
        help_text=_("The language the patient reads reports in."),
    )
    accession_number = forms.CharField(
        label=_("Accession number"),
        max_length=64,
        help_text=_("Unique in the laboratory."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    collected_at = forms.DateTimeField(
        label=_("Collected"),
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    received_at = forms.DateTimeField(
        label=_("Received"),
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    stain = forms.CharField(
        label=_("Stain"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"list": "stains"}),
    )
    clinical_note = forms.CharField(
        label=_("Clinical note"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    micrometres_per_pixel = forms.DecimalField(
        label=_("Micrometres per pixel"),
        required=False,
        localize=True,
        min_value=Decimal("0.01"),
        max_value=Decimal(5),
        max_digits=6,
        decimal_places=4,
        help_text=_("Of the field images; measured on their cells when empty."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    magnification = forms.DecimalField(
        label=_("Magnification"),
        required=False,
        localize=True,
        min_value=Decimal(1),
        max_value=Decimal(250),
        max_digits=4,
        decimal_places=1,
        help_text=_(
            "Instead of micrometres per pixel: the objective's times that of the camera's adapter, "
            "such as 100, or 50 with a 0.5 x adapter."
        ),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, laboratories: Any, policy: AccessPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        choice = cast("forms.ModelChoiceField[Laboratory]", self.fields["laboratory"])
        choice.queryset = laboratories
        choice.initial = laboratories.first()

    def clean(self) -> dict[str, Any]:
        """Find the patient, or make sure that a new one is new."""
        data = super().clean() or {}
        if not {"laboratory", "patient_mode", "identifier"} <= data.keys():
            return data
        known = (
            self.policy.patients()
            .of_laboratories([data["laboratory"].pk])
            .identified(data["identifier"])
        )
        data["patient"] = known
        if data["patient_mode"] == self.KNOWN and known is None:
            self.add_error(
                "identifier",
                _("No patient has this identifier. Check it, or choose “New patient”."),
            )
        if data["patient_mode"] == self.NEW and known is not None:
            self.add_error(
                "identifier",
                _("A patient with this identifier exists. Choose “Known patient” to use it."),
            )
        return data


class CorrectionForm(forms.Form):
    """A reviewer's word on a cell; the service checks the rest."""

    to_class = forms.SlugField(error_messages={"required": _("Choose a class.")})
    comment = forms.CharField(required=False, max_length=COMMENT_MAX_LENGTH)
    expected_version = forms.IntegerField(min_value=0)


class AssignmentForm(forms.Form):
    """Who is to read a case, and who was its reader on the page; empty for nobody."""

    assignee = forms.IntegerField(required=False, min_value=0)
    expected = forms.IntegerField(required=False, min_value=0)


class PriorityForm(forms.Form):
    """How soon a case is wanted."""

    priority = forms.ChoiceField(choices=SmearCase.Priority.choices)


class ReadingLabelForm(forms.Form):
    """A reader's name for the cell at a place of their reading."""

    position = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    label = forms.SlugField(max_length=40, error_messages={"required": _("Choose a class.")})


class DoubleReadingForm(StyledForm):
    """Who is to read a case blind."""

    first = forms.TypedChoiceField(label=_("First reader"), coerce=int)
    second = forms.TypedChoiceField(label=_("Second reader"), coerce=int)

    def __init__(self, *args: Any, readers: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(each.pk, each.get_full_name() or each.get_username()) for each in readers]
        for name in ("first", "second"):
            cast("forms.ChoiceField", self.fields[name]).choices = [("", _("Choose")), *names]

    def clean(self) -> dict[str, Any]:
        """Put both readers together, as the service takes them."""
        data = super().clean() or {}
        data["readers"] = [data[name] for name in ("first", "second") if name in data]
        return data


class DecisionForm(forms.Form):
    """A third reader's decision on a cell in dispute."""

    reading_cell = forms.IntegerField(min_value=1)
    label = forms.SlugField(max_length=40, error_messages={"required": _("Choose a class.")})
    expected_version = forms.IntegerField(min_value=0, required=False)
    page = forms.IntegerField(min_value=1, required=False)
