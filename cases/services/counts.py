"""The counts of a case and its differential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cases.differential import LEUKOCYTES_WANTED, NOTHING_COUNTED, Estimate, per_hundred, percentage
from cases.models import CaseImage, Cell, CellClass
from cases.models.image import WorkState

if TYPE_CHECKING:
    from cases.models import SmearCase

UNIDENTIFIED = "unidentified"


@dataclass(frozen=True)
class BeforeReview:
    """What the model called so at first: cells, and their percentage of its leukocytes."""

    count: int
    percent: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class ClassCount:
    """One class of a case.

    ``percent``, ``ci_low`` and ``ci_high`` are percent of the leukocytes with the exact 95 %
    interval; ``None`` for classes that are not counted in the differential and while no leukocyte
    is named. ``before`` is the same as the model alone had it, before any review.
    """

    code: str
    name: str
    color: str
    group: str
    counted: bool
    count: int
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    by_model: int
    by_reviewer: int
    needs_review: int
    before: BeforeReview

    @property
    def estimate(self) -> Estimate:
        """Percent of the leukocytes with its interval."""
        return Estimate(self.percent, self.ci_low, self.ci_high)


@dataclass(frozen=True)
class CaseCounts:
    """All that is counted of a case.

    ``pending`` cells still wait for the model. ``failed`` cells were given up by the model and
    nobody has named them yet. ``reviewed`` cells were confirmed or corrected. ``unfamiliar`` cells
    resemble nothing the model has learnt: they have no label and are in no other figure but
    ``total`` and ``needs_review`` until a reviewer names them. ``limited``: fewer than 100
    leukocytes are named.
    ``excluded`` cells count in no figure but this one. ``field_images`` are fields of view;
    ``fields_pending`` of them are still searched for cells and ``fields_failed`` could not be.
    ``nrbc_per_100_wbc`` is the erythroblasts per 100 leukocytes with its exact 95 % interval.
    ``unnamed`` cells have no label, ``unidentified`` ones a reviewer could not name, and
    ``not_reviewed`` ones nobody has confirmed or corrected. ``before_leukocytes`` and
    ``before_nrbc`` are the model's alone.
    """

    status: str
    total: int
    pending: int
    failed: int
    needs_review: int
    reviewed: int
    unfamiliar: int
    leukocytes: int
    limited: bool
    erythroblasts: int
    nrbc_per_100_wbc: float | None
    nrbc_ci_low: float | None
    nrbc_ci_high: float | None
    platelets: int
    unnamed: int
    unidentified: int
    not_reviewed: int
    before_leukocytes: int
    before_nrbc: Estimate
    excluded: int
    field_images: int
    fields_pending: int
    fields_failed: int
    classes: list[ClassCount]

    @property
    def nrbc(self) -> Estimate:
        """Erythroblasts per 100 leukocytes with their interval."""
        return Estimate(self.nrbc_per_100_wbc, self.nrbc_ci_low, self.nrbc_ci_high)


def case_counts(*, case: SmearCase) -> CaseCounts:
    """Count a case's cells in three queries, however many cells there are.

    Every class is listed in its order, those without a cell too. Percentages refer to leukocytes
    only (classes with ``counted``); erythroblasts, platelets and review-only classes stand apart.
    """
    rows = list(Cell.objects.filter(case_id=case.pk).tally())
    images = CaseImage.objects.in_case(case.pk).tally_of_fields()
    classes = list(CellClass.objects.all())
    named = _named_by(rows)
    waiting: dict[int, int] = {}
    for row in rows:
        if row["needing_review"]:
            waiting[row["label_id"]] = waiting.get(row["label_id"], 0) + row["needing_review"]
    totals = {pk: sum(sources.values()) for pk, sources in named.items()}
    leukocytes = sum(totals.get(each.pk, 0) for each in classes if each.counted)
    in_group = {
        group: sum(totals.get(each.pk, 0) for each in classes if each.group == group)
        for group in (CellClass.Group.ERYTHROBLAST, CellClass.Group.PLATELET)
    }
    erythroblasts = in_group[CellClass.Group.ERYTHROBLAST]
    nrbc = per_hundred(erythroblasts, leukocytes)
    before: dict[int, int] = {}
    for row in rows:
        if row["model_label_id"] is not None:
            before[row["model_label_id"]] = before.get(row["model_label_id"], 0) + row["cells"]
    before_leukocytes = sum(before.get(each.pk, 0) for each in classes if each.counted)
    before_erythroblasts = sum(
        before.get(each.pk, 0) for each in classes if each.group == CellClass.Group.ERYTHROBLAST
    )
    return CaseCounts(
        status=case.status,
        total=sum(row["cells"] for row in rows),
        pending=sum(
            row["cells"] for row in rows if row["state"] in (WorkState.QUEUED, WorkState.PROCESSING)
        ),
        failed=sum(
            row["cells"]
            for row in rows
            if row["state"] == WorkState.FAILED and row["label_id"] is None
        ),
        needs_review=sum(row["needing_review"] for row in rows),
        reviewed=sum(row["reviewed"] for row in rows),
        unfamiliar=sum(row["unfamiliar_cells"] for row in rows),
        leukocytes=leukocytes,
        limited=leukocytes < LEUKOCYTES_WANTED,
        erythroblasts=erythroblasts,
        nrbc_per_100_wbc=nrbc.value,
        nrbc_ci_low=nrbc.low,
        nrbc_ci_high=nrbc.high,
        platelets=in_group[CellClass.Group.PLATELET],
        unnamed=sum(row["cells"] for row in rows if row["label_id"] is None),
        unidentified=sum(totals.get(each.pk, 0) for each in classes if each.code == UNIDENTIFIED),
        not_reviewed=sum(row["not_reviewed"] for row in rows),
        before_leukocytes=before_leukocytes,
        before_nrbc=per_hundred(before_erythroblasts, before_leukocytes),
        **images,
        classes=[
            _class_count(
                each,
                named.get(each.pk, {}),
                leukocytes,
                _before(each, before.get(each.pk, 0), before_leukocytes),
                waiting.get(each.pk, 0),
            )
            for each in classes
        ],
    )


def _named_by(rows: list[dict[str, Any]]) -> dict[int, dict[str, int]]:
    """Cells by class and by who named them."""
    named: dict[int, dict[str, int]] = {}
    for row in rows:
        if row["label_id"] is not None:
            sources = named.setdefault(row["label_id"], {})
            source = row["label_source"]
            sources[source] = sources.get(source, 0) + row["cells"]
    return named


def _before(cell_class: CellClass, count: int, leukocytes: int) -> BeforeReview:
    share = percentage(count, leukocytes) if cell_class.counted else NOTHING_COUNTED
    return BeforeReview(count, share.value, share.low, share.high)


def _class_count(
    cell_class: CellClass,
    sources: dict[str, int],
    leukocytes: int,
    before: BeforeReview,
    needs_review: int,
) -> ClassCount:
    count = sum(sources.values())
    share: Estimate = percentage(count, leukocytes) if cell_class.counted else NOTHING_COUNTED
    return ClassCount(
        code=cell_class.code,
        name=cell_class.name,
        color=cell_class.color,
        group=cell_class.group,
        counted=cell_class.counted,
        count=count,
        percent=share.value,
        ci_low=share.low,
        ci_high=share.high,
        by_model=sources.get(Cell.LabelSource.MODEL, 0),
        by_reviewer=sources.get(Cell.LabelSource.REVIEWER, 0),
        needs_review=needs_review,
        before=before,
    )
