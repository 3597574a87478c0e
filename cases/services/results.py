"""The result of a case: the differential, absolute counts, and how both stand to the ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.timezone import localtime

from cases.differential import Estimate, absolute, corrected_wbc, per_hundred
from cases.flags import FLAGGED, Judgement, Limits, judge
from cases.models import CellClass, Patient, ReferenceRange
from cases.services.counts import CaseCounts, ClassCount, case_counts
from cases.services.laboratory_settings import settings_of

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from cases.models import LaboratorySettings, SmearCase

# Why the analyser's count is taken as it is, or not.
CORRECTED = "corrected"
BELOW_THRESHOLD = "below_threshold"
ANALYSER_EXCLUDES = "analyser_excludes_nrbc"
NO_LEUKOCYTES = "no_leukocytes"
# What keeps a range from being applied.
SEX_UNKNOWN = "sex_unknown"
BIRTH_DATE_UNKNOWN = "birth_date_unknown"
COLLECTION_UNKNOWN = "collection_unknown"


@dataclass(frozen=True)
class WhiteCells:
    """The white cell count, in 10^9/L.

    Attributes:
        entered: as the analyser gave it.
        value: what absolute counts rest on: corrected for nRBC where that is due.
        reason: ``corrected``, ``below_threshold``, ``analyser_excludes_nrbc`` or
            ``no_leukocytes``.
    """

    entered: float
    value: float
    reason: str

    @property
    def corrected(self) -> bool:
        return self.reason == CORRECTED


@dataclass(frozen=True)
class ClassResult:
    """One class: its count, its absolute count where a WBC count is known, and its flags.

    Attributes:
        count: cells and percentage, before and after review.
        relative: percent of leukocytes, or cells per 100 leukocytes for classes that are none.
        absolute: in 10^9/L; ``None`` without a WBC count.
        limits: the laboratory's range for this patient, if there is one.
        percent_flag: how ``relative`` stands to it; ``None`` where it sets no such limit.
        absolute_flag: the same of ``absolute``.
    """

    count: ClassCount
    relative: Estimate
    absolute: Estimate | None
    limits: ReferenceRange | None
    percent_flag: Judgement | None
    absolute_flag: Judgement | None

    @property
    def flagged(self) -> bool:
        """Whether either stands outside its range for sure."""
        flags = (self.percent_flag, self.absolute_flag)
        return any(each is not None and each.standing in FLAGGED for each in flags)


@dataclass(frozen=True)
class CaseResult:
    """All that is said of a case.

    Attributes:
        counts: what was counted.
        settings: the laboratory's rules.
        white_cells: the WBC count; ``None`` until it is entered.
        classes: every class in its order.
        not_applied: what is missing of the patient or the specimen for some range to apply.
        has_ranges: whether the laboratory keeps any range.
    """

    counts: CaseCounts
    settings: LaboratorySettings
    white_cells: WhiteCells | None
    classes: list[ClassResult]
    not_applied: list[str]
    has_ranges: bool

    @property
    def flags(self) -> list[ClassResult]:
        """The classes that stand outside their range."""
        return [each for each in self.classes if each.flagged]


def case_result(*, case: SmearCase, counts: CaseCounts | None = None) -> CaseResult:
    """Work out a case's result: five queries, two where the counts are known.

    Args:
        case: with its patient at hand.
        counts: the case's, if they have just been counted.
    """
    counts = counts or case_counts(case=case)
    rules = settings_of(laboratory_id=case.laboratory_id)
    white_cells = _white_cells(case, counts, rules)
    ranges = _ranges_by_class(case.laboratory_id)
    not_applied: list[str] = []
    classes = [
        _class_result(
            each,
            counts,
            white_cells,
            _range_for(case, ranges.get(each.code, []), not_applied),
        )
        for each in counts.classes
    ]
    return CaseResult(
        counts=counts,
        settings=rules,
        white_cells=white_cells,
        classes=classes,
        not_applied=not_applied,
        has_ranges=bool(ranges),
    )


def _white_cells(
    case: SmearCase, counts: CaseCounts, rules: LaboratorySettings
) -> WhiteCells | None:
    """The WBC count, corrected for nRBC at or above the laboratory's threshold."""
    if case.analyser_wbc is None:
        return None
    entered = float(case.analyser_wbc)
    nrbc = counts.nrbc_per_100_wbc
    if rules.analyser_excludes_nrbc:
        return WhiteCells(entered, entered, ANALYSER_EXCLUDES)
    if nrbc is None:
        return WhiteCells(entered, entered, NO_LEUKOCYTES)
    if nrbc == 0 or nrbc < float(rules.nrbc_threshold):
        return WhiteCells(entered, entered, BELOW_THRESHOLD)
    return WhiteCells(entered, corrected_wbc(entered, nrbc), CORRECTED)


def _ranges_by_class(laboratory_id: int) -> dict[str, list[ReferenceRange]]:
    ranges: dict[str, list[ReferenceRange]] = {}
    rows = ReferenceRange.objects.of_laboratories([laboratory_id]).select_related("cell_class")
    for each in rows:
        ranges.setdefault(each.cell_class.code, []).append(each)
    return ranges


def _range_for(
    case: SmearCase, ranges: list[ReferenceRange], not_applied: list[str]
) -> ReferenceRange | None:
    """The range that fits the patient at collection; what is missing is noted otherwise."""
    patient = case.patient
    on: date | None = localtime(case.collected_at).date() if case.collected_at else None
    for each in ranges:
        if each.fits(sex=patient.sex, birth_date=patient.birth_date, on=on):
            return each
    known_sex = patient.sex in (Patient.Sex.FEMALE, Patient.Sex.MALE)
    for each in ranges:
        missing = []
        if not known_sex and each.sex != ReferenceRange.Sex.ANY:
            missing.append(SEX_UNKNOWN)
        if each.age_from is not None or each.age_to is not None:
            if patient.birth_date is None:
                missing.append(BIRTH_DATE_UNKNOWN)
            if on is None:
                missing.append(COLLECTION_UNKNOWN)
        not_applied.extend(reason for reason in missing if reason not in not_applied)
    return None


def _class_result(
    row: ClassCount,
    counts: CaseCounts,
    white_cells: WhiteCells | None,
    limits: ReferenceRange | None,
) -> ClassResult:
    relative = row.estimate if row.counted else per_hundred(row.count, counts.leukocytes)
    # Platelets are counted in their own way; what a smear's images show of them says nothing.
    in_absolute = white_cells is not None and row.group != CellClass.Group.PLATELET
    percent_flag = absolute_flag = None
    if limits is not None:
        percent_flag = _judge(row, counts, limits.percent_low, limits.percent_high, 1.0)
        if white_cells is not None:
            absolute_flag = _judge(
                row, counts, limits.absolute_low, limits.absolute_high, 100 / white_cells.value
            )
    return ClassResult(
        count=row,
        relative=relative,
        absolute=absolute(relative, white_cells.value) if white_cells and in_absolute else None,
        limits=limits,
        percent_flag=percent_flag,
        absolute_flag=absolute_flag,
    )


def _judge(
    row: ClassCount, counts: CaseCounts, low: Decimal | None, high: Decimal | None, unit: float
) -> Judgement | None:
    if low is None and high is None:
        return None
    limits = Limits(
        low=None if low is None else float(low) * unit,
        high=None if high is None else float(high) * unit,
    )
    return judge(count=row.count, leukocytes=counts.leukocytes, limits=limits, counted=row.counted)
