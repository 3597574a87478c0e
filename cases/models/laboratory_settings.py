"""What a laboratory decides for itself: how it signs, and what it takes for normal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.cell_class import CellClass
from cases.models.people import Laboratory
from cases.result_querysets import LaboratorySettingsQuerySet, ReferenceRangeQuerySet

AGE_MAX = {"day": 50_000, "month": 1_800, "year": 150}
MONTHS_IN_LEAP_CYCLE = 48


class LaboratorySettings(models.Model):
    """The laboratory's rules of signing and of the white cell count; one row at most."""

    class BorderRule(models.TextChoices):
        """Which cells that the border of a field cuts are counted."""

        COUNT_ALL = "count_all", _("count all of them")
        LEFT_TOP = "left_top", _("count those on the left and top edges, as in a counting chamber")

    laboratory = models.OneToOneField(
        Laboratory,
        on_delete=models.CASCADE,
        related_name="settings",
        verbose_name=_("laboratory"),
    )
    require_all_reviewed = models.BooleanField(
        _("every cell is reviewed before signing"),
        default=False,
        help_text=_("Otherwise only cells that need review must be confirmed or corrected."),
    )
    nrbc_threshold = models.DecimalField(
        _("nRBC threshold for the WBC correction"),
        max_digits=5,
        decimal_places=1,
        default=Decimal(5),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1000))],
        help_text=_("Per 100 WBC. At or above it the analyser's WBC count is corrected."),
    )
    analyser_excludes_nrbc = models.BooleanField(
        _("the analyser already excludes nRBC"),
        default=False,
        help_text=_("Then its WBC count is never corrected."),
    )
    border_rule = models.CharField(
        _("cells cut by the border of a field"),
        max_length=10,
        choices=BorderRule.choices,
        default=BorderRule.COUNT_ALL,
        help_text=_("A change holds for every open case at once, never for a signed one."),
    )
    platelet_factor = models.PositiveIntegerField(
        _("platelets per microlitre for each platelet in a field"),
        null=True,
        blank=True,
        validators=[MinValueValidator(100), MaxValueValidator(1_000_000)],
        help_text=_(
            "Calibrated for your microscope and camera; without it no platelet count is estimated. "
            "For an oil immersion field of 100x, 15,000 to 20,000 is usual."
        ),
    )
    camera_pixel_size = models.DecimalField(
        _("side of a camera pixel, in micrometres"),
        max_digits=5,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal(30))],
        help_text=_(
            "From the camera's data sheet, as a rule 1.5 to 10; times the binning, if images are "
            "binned. With it a case's magnification tells micrometres per pixel. A change holds "
            "for cases opened afterwards."
        ),
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )

    objects = LaboratorySettingsQuerySet.as_manager()

    class Meta:
        verbose_name = _("laboratory settings")
        verbose_name_plural = _("laboratory settings")
        ordering = ("laboratory",)

    def __str__(self) -> str:
        return str(self.laboratory)


class ReferenceRange(models.Model):
    """What the laboratory takes for normal: of one class, for a sex and an age.

    Percent is of the leukocytes; for classes that are none, cells per 100 leukocytes. Ages run
    from ``age_from`` to below ``age_to``. A range without ages fits every age, also an unknown
    one; nothing else is ever assumed about a patient whose sex or birth date is not known.
    """

    class Sex(models.TextChoices):
        """Whom the range is for."""

        ANY = "any", pgettext_lazy("sex", "any")
        FEMALE = "female", pgettext_lazy("sex", "female")
        MALE = "male", pgettext_lazy("sex", "male")

    class AgeUnit(models.TextChoices):
        """In what the ages of a range are given."""

        DAY = "day", _("days")
        MONTH = "month", _("months")
        YEAR = "year", _("years")

    laboratory = models.ForeignKey(
        Laboratory,
        on_delete=models.CASCADE,
        related_name="reference_ranges",
        verbose_name=_("laboratory"),
    )
    cell_class = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        related_name="reference_ranges",
        verbose_name=_("cell class"),
    )
    sex = models.CharField(_("sex"), max_length=10, choices=Sex.choices, default=Sex.ANY)
    age_from = models.PositiveIntegerField(_("age from"), null=True, blank=True)
    age_to = models.PositiveIntegerField(_("age to (below)"), null=True, blank=True)
    age_unit = models.CharField(
        _("age in"), max_length=10, choices=AgeUnit.choices, default=AgeUnit.YEAR
    )
    percent_low = models.DecimalField(
        _("lowest percent"), max_digits=6, decimal_places=2, null=True, blank=True
    )
    percent_high = models.DecimalField(
        _("highest percent"), max_digits=6, decimal_places=2, null=True, blank=True
    )
    absolute_low = models.DecimalField(
        _("lowest absolute count"), max_digits=7, decimal_places=3, null=True, blank=True
    )
    absolute_high = models.DecimalField(
        _("highest absolute count"), max_digits=7, decimal_places=3, null=True, blank=True
    )
    source = models.CharField(
        _("source"),
        max_length=300,
        blank=True,
        help_text=_("Where the limits come from, for instance the laboratory's own study."),
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )

    objects = ReferenceRangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("reference range")
        verbose_name_plural = _("reference ranges")
        ordering = ("laboratory", "cell_class__order", "sex", "age_unit", "age_from", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(percent_low=None)
                | Q(percent_high=None)
                | Q(percent_low__lte=F("percent_high")),
                name="range_percent_low_not_above_high",
            ),
            models.CheckConstraint(
                condition=Q(absolute_low=None)
                | Q(absolute_high=None)
                | Q(absolute_low__lte=F("absolute_high")),
                name="range_absolute_low_not_above_high",
            ),
            models.CheckConstraint(
                condition=Q(age_from=None) | Q(age_to=None) | Q(age_from__lt=F("age_to")),
                name="range_age_from_below_age_to",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cell_class} · {self.get_sex_display()}"

    def clean(self) -> None:
        """Check what one field alone cannot tell.

        Raises:
            ValidationError: for limits or ages that contradict each other, for a range without a
                limit, and for one that overlaps another of the same class.
        """
        problems = self._problems()
        if not problems and self.cell_class_id and self.laboratory_id:
            others = ReferenceRange.objects.filter(
                laboratory_id=self.laboratory_id, cell_class_id=self.cell_class_id
            ).exclude(pk=self.pk)
            if any(self.overlaps(other) for other in others):
                problems["age_from"] = _(
                    "Another range of this class covers some of the same patients. "
                    "Change the sex or the ages, or edit the other range."
                )
        if problems:
            raise ValidationError(problems)

    def _problems(self) -> dict[str, object]:
        problems: dict[str, object] = {}
        limits = (self.percent_low, self.percent_high, self.absolute_low, self.absolute_high)
        if all(limit is None for limit in limits):
            problems["percent_low"] = _("Give at least one limit, percent or absolute.")
        for kind in ("percent", "absolute"):
            low, high = getattr(self, f"{kind}_low"), getattr(self, f"{kind}_high")
            for end, limit in (("low", low), ("high", high)):
                if limit is not None and limit < 0:
                    problems[f"{kind}_{end}"] = _("A limit cannot be below zero.")
            if low is not None and high is not None and low > high:
                problems[f"{kind}_low"] = _("The lowest value is above the highest one.")
        if self.cell_class_id:
            if self.cell_class.group == CellClass.Group.PLATELET:
                problems["cell_class"] = _("Platelets have no place in the differential.")
            for end in ("percent_low", "percent_high"):
                limit = getattr(self, end)
                if self.cell_class.counted and limit is not None and limit > 100:
                    problems[end] = _("A percentage of leukocytes cannot be above 100.")
        for end in ("age_from", "age_to"):
            age = getattr(self, end)
            if age is not None and age > AGE_MAX.get(self.age_unit, 0):
                problems[end] = _("Nobody is that old; check the number and its unit.")
        if self.age_from is not None and self.age_to is not None and self.age_from >= self.age_to:
            problems["age_from"] = _("The age from must be below the age to.")
        return problems

    def overlaps(self, other: ReferenceRange) -> bool:
        """Whether one patient could meet both ranges.

        Months and years have no fixed number of days: where units differ, the ranges overlap as
        soon as some birth date would put a patient into both.
        """
        if self.Sex.ANY not in (self.sex, other.sex) and self.sex != other.sex:
            return False
        return self._may_begin_before_end_of(other) and other._may_begin_before_end_of(self)

    def _may_begin_before_end_of(self, other: ReferenceRange) -> bool:
        if other.age_to is None:
            return True
        begin = self.age_from or 0
        if self.age_unit == other.age_unit:
            return begin < other.age_to
        if self.AgeUnit.DAY not in (self.age_unit, other.age_unit):
            return _in_months(begin, self.age_unit) < _in_months(other.age_to, other.age_unit)
        return _in_days(begin, self.age_unit, min) < _in_days(other.age_to, other.age_unit, max)

    def fits(self, *, sex: str, birth_date: date | None, on: date | None) -> bool:
        """Whether the range is for a patient of this sex and birth date on that day."""
        if self.sex not in (self.Sex.ANY, sex):
            return False
        if self.age_from is None and self.age_to is None:
            return True
        if birth_date is None or on is None or on < birth_date:
            return False
        age = completed(birth_date, on, self.age_unit)
        return (self.age_from or 0) <= age and (self.age_to is None or age < self.age_to)


def completed(birth_date: date, on: date, unit: str) -> int:
    """Completed days, months or years of age; a day that a month lacks counts on the next first."""
    if unit == ReferenceRange.AgeUnit.DAY:
        return (on - birth_date).days
    months = (on.year - birth_date.year) * 12 + on.month - birth_date.month
    months -= on.day < birth_date.day
    return months if unit == ReferenceRange.AgeUnit.MONTH else months // 12


def _in_months(age: int, unit: str) -> int:
    return age * 12 if unit == ReferenceRange.AgeUnit.YEAR else age


def _in_days(age: int, unit: str, extreme: object) -> int:
    """The least (``min``) or the most (``max``) days the age can have."""
    if unit == ReferenceRange.AgeUnit.DAY:
        return age
    months = _in_months(age, unit)
    lengths = []
    for start in range(MONTHS_IN_LEAP_CYCLE):
        begin = date(2000 + start // 12, start % 12 + 1, 1)
        end = date(2000 + (start + months) // 12, (start + months) % 12 + 1, 1)
        lengths.append((end - begin).days)
    return extreme(lengths)  # type: ignore[operator]
