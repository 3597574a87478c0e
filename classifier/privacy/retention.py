"""What a laboratory's rules let go at a moment, and letting it go."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, Max, OuterRef
from django.db.models.query import QuerySet
from django.utils import timezone

from cases.models import CaseImage, Cell, Housekeeping, Laboratory, Patient, SmearCase
from cases.services.housekeeping import note_done
from classifier.privacy.models import Removal, RetentionRules
from classifier.privacy.removing import Plan, plan_for_cases, remove_cases, remove_names

if TYPE_CHECKING:
    from cases.models import User

logger = logging.getLogger(__name__)

# Cases of one transaction: a lock is not held for hours, and what is done is done.
CASES_AT_ONCE = 50


@dataclass(frozen=True)
class Due:
    """What the rules let go now.

    Attributes:
        patients: keys of patients whose name goes.
        signed: keys of signed cases whose pictures and cells go.
        unsigned: keys of cases that go wholly.
        plan: the rows of ``signed`` and ``unsigned``, counted.
    """

    patients: list[int]
    signed: list[int]
    unsigned: list[int]
    plan: Plan


def rules_of(laboratory: Laboratory) -> RetentionRules:
    """The laboratory's rules; a row that is not saved yet keeps everything."""
    found = RetentionRules.objects.filter(laboratory=laboratory).first()
    return found or RetentionRules(laboratory=laboratory)


def due(*, laboratory: Laboratory, now: datetime | None = None) -> Due:
    """What is due, in a bounded number of queries."""
    now = now or timezone.now()
    rules = rules_of(laboratory)
    signed = _signed(laboratory, rules, now)
    unsigned = _unsigned(laboratory, rules, now)
    return Due(
        patients=_patients(laboratory, rules, now),
        signed=signed,
        unsigned=unsigned,
        plan=plan_for_cases(signed + unsigned),
    )


def apply(*, laboratory: Laboratory, user: User | None = None, now: datetime | None = None) -> Due:
    """Let go what is due, some cases at a time; returns what was."""
    found = due(laboratory=laboratory, now=now)
    for reason, keys in (
        (Removal.Reason.PICTURES, found.signed),
        (Removal.Reason.UNSIGNED, found.unsigned),
    ):
        for start in range(0, len(keys), CASES_AT_ONCE):
            remove_cases(
                laboratory=laboratory,
                case_ids=keys[start : start + CASES_AT_ONCE],
                reason=reason,
                user=user,
            )
    if found.patients:
        remove_names(laboratory=laboratory, patient_ids=found.patients, user=user)
    return found


def apply_to_all() -> dict[str, int]:
    """What the scheduler does once a day; returns what went, counted over all laboratories.

    One laboratory that fails is logged and keeps no other from its rules.
    """
    gone = {"laboratories": 0, "names": 0, "signed": 0, "unsigned": 0, "failed": 0}
    for laboratory in Laboratory.objects.filter(pk__in=with_a_rule()).order_by("pk"):
        gone["laboratories"] += 1
        try:
            found = apply(laboratory=laboratory)
        except Exception:
            logger.exception("The retention rules of laboratory %s failed.", laboratory.pk)
            gone["failed"] += 1
            continue
        gone["names"] += len(found.patients)
        gone["signed"] += len(found.signed)
        gone["unsigned"] += len(found.unsigned)
    note_done(Housekeeping.Job.RETENTION, gone)
    logger.info("Retention: %s", gone)
    return gone


def with_a_rule() -> QuerySet[Any]:
    """Keys of the laboratories that set a rule."""
    nothing = {"names_days": None, "pictures_days": None, "unsigned_days": None}
    return RetentionRules.objects.exclude(**nothing).values("laboratory")


def _cases(laboratory: Laboratory) -> QuerySet[SmearCase]:
    return QuerySet(SmearCase).filter(laboratory=laboratory).order_by("pk")


def _signed(laboratory: Laboratory, rules: RetentionRules, now: datetime) -> list[int]:
    """Signed cases that still have something to go; an amended one is at work again."""
    if rules.pictures_days is None:
        return []
    something = Exists(CaseImage.objects.filter(case=OuterRef("pk"))) | Exists(
        Cell.objects.filter(case=OuterRef("pk"))
    )
    rows = _cases(laboratory).filter(something, status=SmearCase.Status.SIGNED_OFF)
    last = rows.annotate(last=Max("sign_offs__signed_at"))
    before = now - timedelta(days=rules.pictures_days)
    return list(last.filter(last__lt=before).values_list("pk", flat=True))


def _unsigned(laboratory: Laboratory, rules: RetentionRules, now: datetime) -> list[int]:
    if rules.unsigned_days is None:
        return []
    before = now - timedelta(days=rules.unsigned_days)
    rows = _cases(laboratory).filter(sign_offs=None, updated_at__lt=before)
    return list(rows.values_list("pk", flat=True))


def _patients(laboratory: Laboratory, rules: RetentionRules, now: datetime) -> list[int]:
    """Patients with a name whose cases are all signed, the last one long enough ago."""
    if rules.names_days is None:
        return []
    open_cases = SmearCase.objects.exclude(status=SmearCase.Status.SIGNED_OFF)
    rows = (
        QuerySet(Patient)
        .filter(laboratory=laboratory)
        .exclude(name_record=None, birth_date=None)
        .filter(~Exists(open_cases.filter(patient=OuterRef("pk"))))
        .annotate(last=Max("cases__sign_offs__signed_at"))
        .filter(last__lt=now - timedelta(days=rules.names_days))
        .order_by("pk")
    )
    return list(rows.values_list("pk", flat=True))
