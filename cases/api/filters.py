"""Filters of the lists; values no row can have are refused or match nothing, never an error."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.utils.translation import gettext_lazy as _

from cases.api.serializers import KEY_MAX
from cases.models import Cell, CellClass, Detection, Exclusion, SmearCase
from cases.models.image import WorkState


class KeyField(forms.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "min_value": 0, "max_value": KEY_MAX})


class KeyFilter(django_filters.Filter):
    """A row's id."""

    field_class = KeyField


class FractionField(forms.FloatField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "min_value": 0, "max_value": 1})


class FractionFilter(django_filters.Filter):
    """A number from 0 to 1."""

    field_class = FractionField


class FlagField(forms.Field):
    """True or false; anything else is refused rather than taken for no filter at all."""

    WORDS = {"true": True, "1": True, "false": False, "0": False}

    def to_python(self, value: str | None) -> bool | None:
        text = (value or "").lower()
        if text and text not in self.WORDS:
            raise forms.ValidationError(_("Choose one of: {names}.").format(names="true, false"))
        return self.WORDS.get(text)


class FlagFilter(django_filters.BooleanFilter):
    """Whether something is so."""

    field_class = FlagField


class LaboratoryFilterSet(django_filters.FilterSet):
    laboratory = django_filters.CharFilter(
        field_name="laboratory__slug", max_length=50, label="Short name of a laboratory."
    )
    search = django_filters.CharFilter(method="filter_search", max_length=200, label="Text.")

    def filter_search(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.search(value)


class PatientFilterSet(LaboratoryFilterSet):
    identifier = django_filters.CharFilter(max_length=64)


class SmearCaseFilterSet(LaboratoryFilterSet):
    status = django_filters.ChoiceFilter(choices=SmearCase.Status.choices)
    patient = KeyFilter(field_name="patient_id", label="Id of a patient.")
    accession_number = django_filters.CharFilter(max_length=64)


class WorkListFilterSet(LaboratoryFilterSet):
    priority = django_filters.ChoiceFilter(choices=SmearCase.Priority.choices)
    assignee = django_filters.CharFilter(
        field_name="assignee__username", max_length=150, label="User name of the reader."
    )
    mine = FlagFilter(method="filter_mine", label="Only my own, or only those of others.")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull", label="Of nobody.")

    def filter_mine(self, queryset: Any, name: str, value: bool) -> Any:
        key = self.request.user.pk
        return queryset.assigned_to(key) if value else queryset.exclude(assignee_id=key)


class CellFilterSet(django_filters.FilterSet):
    case = KeyFilter(field_name="case_id", label="Id of a case.")
    label = django_filters.ModelChoiceFilter(
        queryset=CellClass.objects.all(),
        to_field_name="code",
        null_value="none",
        null_label="none",
        label="Code of a cell class, or none.",
    )
    source = django_filters.ChoiceFilter(
        field_name="label_source",
        choices=[each for each in Cell.LabelSource.choices if each[0]],
        label="Who gave the label.",
    )
    needs_review = FlagFilter(method="filter_needs_review")
    excluded = FlagFilter(method="filter_excluded", label="Whether it counts nowhere.")
    unfamiliar = FlagFilter(label="Whether the model does not recognise it.")
    review_state = django_filters.ChoiceFilter(choices=Cell.ReviewState.choices)
    state = django_filters.ChoiceFilter(choices=WorkState.choices)
    confidence_min = FractionFilter(field_name="confidence", lookup_expr="gte")
    confidence_max = FractionFilter(field_name="confidence", lookup_expr="lte")

    def filter_excluded(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.exclude(excluded="") if value else queryset.counted()

    def filter_needs_review(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.needing_review() if value else queryset.not_needing_review()


class DetectionFilterSet(django_filters.FilterSet):
    case = KeyFilter(field_name="image__case_id", label="Id of a case.")
    image = KeyFilter(field_name="image_id", label="Id of a field.")
    kind = django_filters.ChoiceFilter(choices=Detection.Kind.choices)
    excluded = django_filters.ChoiceFilter(
        choices=[each for each in Exclusion.choices if each[0]],
        null_value="none",
        null_label="none",
        method="filter_excluded",
        label="Why it does not count; none for those that count.",
    )
    since = KeyFilter(
        field_name="revision",
        lookup_expr="gt",
        label="Changed since this revision of the case.",
    )

    def filter_excluded(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.counted() if value == "none" else queryset.filter(excluded=value)


class CorrectionFilterSet(django_filters.FilterSet):
    case = KeyFilter(field_name="cell__case_id", label="Id of a case.")
    cell = KeyFilter(field_name="cell_id", label="Id of a cell.")
