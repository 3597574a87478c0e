"""What the fields give to a case's result: counts, means, and how well cells were found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cases.differential import Estimate
from cases.field_estimates import per_field, platelet_estimate, precision, recall
from cases.models import CaseImage, Detection, Exclusion

if TYPE_CHECKING:
    from cases.models import LaboratorySettings

Kind = Detection.Kind


@dataclass(frozen=True)
class FoundKind:
    """One kind of cells on the fields of a case.

    Attributes:
        kind: of :class:`cases.models.Detection.Kind`.
        count: cells that count, on all fields.
        per_field: their mean per field.
        found: by the detector, of this kind.
        removed: of these, what reviewers said is no such cell.
        added: what reviewers added that the detector had missed.
        precision: percent of what was found that reviewers left standing.
        recall: percent of what is there, after review, that was found.
    """

    kind: str
    count: int
    per_field: Estimate
    found: int
    removed: int
    added: int
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class FieldResult:
    """What the fields of a case say.

    Attributes:
        images: of each searched field its ``number``, ``id`` and cells that count by kind.
        fields: how many were searched; the denominator of the means.
        kinds: white cells, platelets and red cells.
        border_rule: which cells cut by the border were counted.
        platelet_factor: the laboratory's; ``None`` when it has set none.
        platelets: in 10^9/L; ``None`` without a factor.
    """

    images: list[dict[str, int]]
    fields: int
    kinds: list[FoundKind]
    border_rule: str
    platelet_factor: int | None
    platelets: Estimate | None


def field_result(*, case_id: int, rules: LaboratorySettings) -> FieldResult | None:
    """Work out what a case's fields say: two queries; ``None`` without a searched field.

    The detector's precision and recall are those after review: what was removed is a false
    positive, what was added a missed cell, and a cell whose kind was changed is both, each in its
    kind. They hold as far as reviewers have looked.
    """
    searched = CaseImage.objects.in_case(case_id).searched()
    images: dict[int, dict[str, int]] = {
        row["pk"]: {"id": row["pk"], "number": row["number"], **dict.fromkeys(Kind.values, 0)}
        for row in searched.order_by("number").values("pk", "number")
    }
    if not images:
        return None
    tally = Detection.objects.of_case(case_id).of_fields().tally()
    for row in tally:
        if row["excluded"] == Exclusion.NONE:
            images[row["image_id"]][row["kind"]] += row["cells"]
    kinds = [_of_kind(kind, tally, images) for kind in Kind.values]
    platelets = next(each for each in kinds if each.kind == Kind.PLATELET)
    factor = rules.platelet_factor
    return FieldResult(
        images=list(images.values()),
        fields=len(images),
        kinds=kinds,
        border_rule=rules.border_rule,
        platelet_factor=factor,
        platelets=platelet_estimate(platelets.per_field, factor) if factor else None,
    )


def _of_kind(
    kind: str, tally: list[dict[str, Any]], images: dict[int, dict[str, int]]
) -> FoundKind:
    def cells(*, stands: bool | None = None, **wanted: str) -> int:
        return sum(
            row["cells"]
            for row in tally
            if all(row[name] == value for name, value in wanted.items())
            and stands in (None, row["excluded"] != Exclusion.REMOVED)
        )

    found = cells(found_kind=kind)
    right = cells(found_kind=kind, kind=kind, stands=True)
    missed = cells(kind=kind, stands=True) - right
    count = sum(each[kind] for each in images.values())
    return FoundKind(
        kind=kind,
        count=count,
        per_field=per_field(count, len(images)),
        found=found,
        removed=found - right,
        added=missed,
        precision=precision(right, found - right),
        recall=recall(right, missed),
    )


def as_document(result: FieldResult | None) -> dict[str, Any] | None:
    """The result as a part of the case's document (docs/signing.md)."""
    if result is None:
        return None
    return {
        "images": result.images,
        "fields": result.fields,
        "kinds": [
            {
                **asdict(each),
                **{
                    name: _estimate(getattr(each, name))
                    for name in ("per_field", "precision", "recall")
                },
            }
            for each in result.kinds
        ],
        "border_rule": result.border_rule,
        "platelet_factor": result.platelet_factor,
        "platelets": _estimate(result.platelets) if result.platelets else None,
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
