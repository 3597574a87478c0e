"""Remove a patient's data on request, or what a laboratory's rules let go.

What was signed stays as it was signed: the case's row with its accession number and dates, every
signed version with its document, amendments with their reasons, and the patient's identifier, so
that a report in somebody's hands can be proven or disproven (docs/privacy.md). All rows go in one
transaction; files follow once it is committed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.query import QuerySet

from cases.audit.models import Action as Did
from cases.audit.services import record
from cases.models import CaseImage, IdempotentAnswer, Patient, PatientName, SmearCase
from cases.policies import Action, require
from classifier.models import TilePyramid
from classifier.privacy.models import Removal
from classifier.privacy.tables import remove, working_rows

if TYPE_CHECKING:
    from cases.models import Laboratory, User

logger = logging.getLogger(__name__)


@dataclass
class Plan:
    """What a removal takes and what it leaves, counted.

    Attributes:
        rows: rows that go, by table; tables without any are not named.
        files: stored pictures that go, tiles not counted.
        kept_cases: keys of signed cases, whose row and signed versions stay.
        gone_cases: keys of cases that go wholly.
        patient_stays: the patient's row stays, with its identifier alone.
    """

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    kept_cases: list[int] = field(default_factory=list)
    gone_cases: list[int] = field(default_factory=list)
    patient_stays: bool = False

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def cases_of(patient: Patient) -> list[int]:
    return list(
        QuerySet(SmearCase).filter(patient=patient).order_by("pk").values_list("pk", flat=True)
    )


def plan_for_patient(*, patient: Patient) -> Plan:
    """What :func:`remove_patient` would do now."""
    plan = plan_for_cases(cases_of(patient))
    plan.patient_stays = bool(plan.kept_cases)
    if not plan.patient_stays:
        plan.rows["cases.Patient"] = 1
    if named := _names([patient.pk]).count():
        plan.rows["cases.PatientName"] = named
    kept = _answers(patient.pk, plan.kept_cases + plan.gone_cases).count()
    if kept:
        plan.rows["cases.IdempotentAnswer"] = kept
    return plan


def plan_for_cases(case_ids: list[int]) -> Plan:
    """What removing these cases' data would take; signed ones keep their row."""
    found: QuerySet[SmearCase] = QuerySet(SmearCase).filter(pk__in=case_ids)
    signed = set(found.exclude(sign_offs=None).values_list("pk", flat=True))
    plan = Plan(
        kept_cases=[pk for pk in case_ids if pk in signed],
        gone_cases=[pk for pk in case_ids if pk not in signed],
    )
    for label, rows in working_rows(case_ids):
        if number := rows.count():
            plan.rows[label] = number
    if plan.gone_cases:
        plan.rows["cases.SmearCase"] = len(plan.gone_cases)
    plan.files = plan.rows.get("cases.CaseImage", 0)
    return plan


def remove_patient(*, user: User, patient: Patient) -> Plan:
    """Remove everything of a patient but what was signed.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
    """
    require(user, Action.MANAGE, patient.laboratory_id)
    with transaction.atomic():
        locked = Patient.objects.select_for_update().get(pk=patient.pk)
        case_ids = _locked(cases_of(locked))
        plan = plan_for_patient(patient=locked)
        _remove_cases(case_ids, plan)
        _answers(locked.pk, case_ids).delete()
        if plan.patient_stays:
            _without_name([locked.pk])
        else:
            remove(_names([locked.pk]))
            remove(QuerySet(Patient).filter(pk=locked.pk))
        _note(Removal.Reason.REQUEST, locked.laboratory, plan, user, patient_key=locked.pk)
    return plan


def remove_cases(
    *, laboratory: Laboratory, case_ids: list[int], reason: str, user: User | None = None
) -> Plan:
    """Remove the data of cases under a rule; patients stay."""
    with transaction.atomic():
        case_ids = _locked(case_ids)
        plan = plan_for_cases(case_ids)
        _remove_cases(case_ids, plan)
        _note(reason, laboratory, plan, user)
    return plan


def remove_names(
    *, laboratory: Laboratory, patient_ids: list[int], user: User | None = None
) -> int:
    """Take patients' names and birth dates away; cases are not touched. Returns of how many."""
    with transaction.atomic():
        plan = Plan(rows={"cases.PatientName": _names(patient_ids).count()})
        number = _without_name(patient_ids)
        _note(Removal.Reason.NAMES, laboratory, plan, user)
    return number


def _locked(case_ids: list[int]) -> list[int]:
    """Hold the cases, so that no upload and no signature comes in between."""
    rows = SmearCase.objects.select_for_update().filter(pk__in=case_ids).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _remove_cases(case_ids: list[int], plan: Plan) -> None:
    images: QuerySet[CaseImage] = QuerySet(CaseImage).filter(case__in=case_ids)
    names = [name for name in images.values_list("file", flat=True) if name]
    pyramids: QuerySet[TilePyramid] = QuerySet(TilePyramid).filter(image__case__in=case_ids)
    folders = list(pyramids.values_list("folder", flat=True))
    for _label, rows in working_rows(case_ids):
        remove(rows)
    remove(QuerySet(SmearCase).filter(pk__in=plan.gone_cases))
    QuerySet(SmearCase).filter(pk__in=plan.kept_cases).update(clinical_note="", assignee=None)
    transaction.on_commit(lambda: delete_files(names, folders))


def _answers(patient_id: int, case_ids: list[int]) -> QuerySet[IdempotentAnswer]:
    """Answers kept for repeated requests that told of the patient or a case."""
    rows: QuerySet[IdempotentAnswer] = QuerySet(IdempotentAnswer)
    found = rows.filter(path__endswith="/patients/", body__id=patient_id)
    for pk in case_ids:
        found |= rows.filter(path__contains=f"/cases/{pk}/")
        found |= rows.filter(path__endswith="/cases/", body__id=pk)
    return found


def _without_name(patient_ids: list[int]) -> int:
    remove(_names(patient_ids))
    rows: QuerySet[Patient] = QuerySet(Patient).filter(pk__in=patient_ids)
    return rows.update(birth_date=None, sex=Patient.Sex.UNKNOWN, language="")


def _names(patient_ids: list[int]) -> QuerySet[PatientName]:
    return QuerySet(PatientName).filter(patient__in=patient_ids)


def _note(
    reason: str, laboratory: Laboratory, plan: Plan, user: Any, *, patient_key: int | None = None
) -> None:
    Removal.objects.create(
        laboratory=laboratory,
        reason=reason,
        patient_key=patient_key,
        case_keys=plan.kept_cases + plan.gone_cases,
        rows=plan.rows,
        files=plan.files,
        made_by=user,
    )
    record(
        action=Did.CHANGED if user else Did.COMMANDED,
        subject=f"removed: {reason}",
        user=user,
        laboratory_id=laboratory.pk,
        details={"patient": patient_key, "rows": plan.rows, "files": plan.files},
    )


def delete_files(names: list[str], folders: list[str]) -> None:
    """After the commit: one that cannot be deleted is logged and keeps no other from going."""
    for name in names:
        _delete(name)
    for folder in folders:
        delete_folder(folder)


def _delete(name: str) -> None:
    try:
        default_storage.delete(name)
    except Exception:
        logger.exception("The file %s could not be deleted; no row knows it any more.", name)


def delete_folder(folder: str) -> None:
    """Delete a folder of the storage with all that is in it."""
    try:
        folders, files = default_storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for each in folders:
        delete_folder(f"{folder}/{each}")
    for each in files:
        _delete(f"{folder}/{each}")
    _delete(folder)  # the empty folder, where a storage has such
