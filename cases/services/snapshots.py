"""A case's whole result as one JSON document, the content of a signature.

docs/signing.md describes the document; ``FORMAT`` grows when its form changes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.module_loading import import_string
from django.utils.timezone import localtime
from modeltranslation.utils import build_localized_fieldname

from cases.models import Cell, CellClass, Finding
from cases.models.laboratory_settings import completed
from cases.services.field_results import as_document, field_result
from cases.services.results import case_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cases.differential import Estimate
    from cases.flags import Judgement
    from cases.models import ReferenceRange, SmearCase
    from cases.services.results import CaseResult, ClassResult

FORMAT = 2
# What one cell's entry holds, in this order.
CELL_FIELDS = ("number", "id", "image", "label", "label_source", "review_state", "model_label",
               "confidence", "version")  # fmt: skip


def case_snapshot(*, case: SmearCase) -> dict[str, Any]:
    """The document of the case as it stands, in a bounded number of queries.

    Args:
        case: with its patient and laboratory at hand.
    """
    return {**case_summary(case=case), "cells": _cells(case)}


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document as canonical JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), cls=DjangoJSONEncoder)
    return hashlib.sha256(text.encode()).hexdigest()


def as_stored(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it comes back from the database."""
    stored: dict[str, Any] = json.loads(json.dumps(document, cls=DjangoJSONEncoder))
    return stored


def case_summary(*, case: SmearCase, result: CaseResult | None = None) -> dict[str, Any]:
    """The document without its cells: what pages show of a case, open or signed.

    Args:
        case: with its patient and laboratory at hand.
        result: the case's, if it has just been worked out.
    """
    result = result or case_result(case=case)
    findings = Finding.objects.of_case(case.pk).standing().for_display()
    return {
        "format": FORMAT,
        "case": {
            "id": case.pk,
            "accession_number": case.accession_number,
            "collected_at": case.collected_at,
            "received_at": case.received_at,
            "stain": case.stain,
            "clinical_note": case.clinical_note,
        },
        "laboratory": {"id": case.laboratory_id, "name": case.laboratory.name},
        "patient": _patient(case),
        **differential_summary(result=result),
        "fields": _fields(case, result),
        "findings": [_finding(each) for each in findings],
        "models": import_string(settings.MODELS_OF_CASE)(case.pk),
    }


def differential_summary(*, result: CaseResult) -> dict[str, Any]:
    """The part of the document that the differential's table shows, in one query."""
    classes = {each.code: each for each in CellClass.objects.all()}
    counts = result.counts
    return {
        "rules": {
            "require_all_reviewed": result.settings.require_all_reviewed,
            "nrbc_threshold": float(result.settings.nrbc_threshold),
            "analyser_excludes_nrbc": result.settings.analyser_excludes_nrbc,
        },
        "counts": {
            "total": counts.total,
            "unfamiliar": counts.unfamiliar,
            "leukocytes": counts.leukocytes,
            "limited": counts.limited,
            "erythroblasts": counts.erythroblasts,
            "platelets": counts.platelets,
            "nrbc_per_100_wbc": _estimate(counts.nrbc),
            "not_reviewed": counts.not_reviewed,
            "before_leukocytes": counts.before_leukocytes,
            "before_nrbc_per_100_wbc": _estimate(counts.before_nrbc),
        },
        "white_cells": asdict(result.white_cells) if result.white_cells else None,
        "classes": [_class(each, classes[each.count.code]) for each in result.classes],
        "not_applied": result.not_applied,
    }


def _fields(case: SmearCase, result: CaseResult) -> dict[str, Any] | None:
    """What the fields say; nothing, and no query, for a case without any."""
    if not result.counts.field_images:
        return None
    return as_document(field_result(case_id=case.pk, rules=result.settings))


def _patient(case: SmearCase) -> dict[str, Any]:
    patient = case.patient
    age = None
    if patient.birth_date and case.collected_at:
        on = localtime(case.collected_at).date()
        age = completed(patient.birth_date, on, "year") if on >= patient.birth_date else None
    return {
        "identifier": patient.identifier,
        "name": patient.name,
        "sex": patient.sex,
        "birth_date": patient.birth_date,
        "age_at_collection": age,
    }


def _names(cell_class: CellClass) -> dict[str, str]:
    """The class's name in every language, as it is today."""
    return {
        language: getattr(cell_class, build_localized_fieldname("name", language))
        for language, _name in settings.LANGUAGES
    }


def _class(row: ClassResult, cell_class: CellClass) -> dict[str, Any]:
    return {
        "code": row.count.code,
        "names": _names(cell_class),
        "color": row.count.color,
        "group": row.count.group,
        "counted": row.count.counted,
        "count": row.count.count,
        "relative": _estimate(row.relative),
        "before": asdict(row.count.before),
        "absolute": _estimate(row.absolute) if row.absolute else None,
        "range": _range(row.limits) if row.limits else None,
        "percent_flag": _judgement(row.percent_flag),
        "absolute_flag": _judgement(row.absolute_flag),
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}


def _judgement(judgement: Judgement | None) -> dict[str, Any] | None:
    return asdict(judgement) if judgement else None


def _range(limits: ReferenceRange) -> dict[str, Any]:
    def number(value: Any) -> float | None:
        return None if value is None else float(value)

    return {
        "id": limits.pk,
        "sex": limits.sex,
        "age_from": limits.age_from,
        "age_to": limits.age_to,
        "age_unit": limits.age_unit,
        "percent_low": number(limits.percent_low),
        "percent_high": number(limits.percent_high),
        "absolute_low": number(limits.absolute_low),
        "absolute_high": number(limits.absolute_high),
        "source": limits.source,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.pk,
        "class": finding.cell_class.code if finding.cell_class else None,
        "names": _names(finding.cell_class) if finding.cell_class else None,
        "text": finding.text,
        "cell": finding.cell.number if finding.cell else None,
        "image": finding.image.number if finding.image else None,
        "made_by": finding.made_by.get_username(),
        "made_at": finding.made_at,
    }


def _cells(case: SmearCase) -> dict[str, Any]:
    """Every cell that counts as a row of ``CELL_FIELDS``: a third of the size of objects."""
    rows = (
        Cell.objects.of_case(case.pk)
        .counted()
        .order_by("number")
        .values_list(
            "number", "pk", "image__number", "label__code", "label_source", "review_state",
            "model_label__code", "confidence", "version",
        )
    )  # fmt: skip
    return {"fields": list(CELL_FIELDS), "rows": [list(each) for each in rows]}
