"""Who may do what. Views, the API, templates and media all ask :class:`AccessPolicy`."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from cases.models import (
    Amendment,
    CaseAssignment,
    CaseImage,
    Cell,
    Correction,
    CorrectionBatch,
    Detection,
    DetectionCorrection,
    DoubleReading,
    Finding,
    Laboratory,
    LaboratorySettings,
    Membership,
    Patient,
    Reading,
    ReferenceRange,
    Role,
    SignOff,
    SmearCase,
)
from cases.services.errors import NotAllowed

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cases.field_querysets import DetectionCorrectionQuerySet, DetectionQuerySet
    from cases.models import User
    from cases.querysets import (
        CaseAssignmentQuerySet,
        CaseImageQuerySet,
        CellQuerySet,
        CorrectionQuerySet,
        PatientQuerySet,
        SmearCaseQuerySet,
    )
    from cases.reading_querysets import DoubleReadingQuerySet, ReadingQuerySet
    from cases.result_querysets import (
        AmendmentQuerySet,
        FindingQuerySet,
        LaboratorySettingsQuerySet,
        ReferenceRangeQuerySet,
        SignOffQuerySet,
    )
    from cases.review_querysets import CorrectionBatchQuerySet


class Action(StrEnum):
    """What somebody wants to do in a laboratory."""

    VIEW = "view"
    UPLOAD = "upload"  # patients, cases and images
    CORRECT = "correct"  # name cells
    SIGN = "sign"
    MANAGE = "manage"  # members, models and settings


ALLOWED: dict[str, frozenset[Action]] = {
    Role.TECHNICIAN: frozenset({Action.VIEW, Action.UPLOAD}),
    Role.REVIEWER: frozenset({Action.VIEW, Action.UPLOAD, Action.CORRECT, Action.SIGN}),
    Role.ADMINISTRATOR: frozenset(Action),
}


def _not_allowed() -> NotAllowed:
    return NotAllowed(
        "not_allowed",
        _("Your role in this laboratory does not allow this; ask its administrator."),
    )


def has_second_factor(user: User | AnonymousUser) -> bool:
    """Whether the user logs in with an authenticator app or a security key."""
    from allauth.mfa.models import Authenticator

    types = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=types).exists())


class AccessPolicy:
    """What one user may see and do, from their memberships. Nobody logged in may do nothing.

    A case somebody reads blind is out of their sight, with everything in it, until both readings
    are done: every queryset here leaves it out, whatever their role. What a blinded reader needs
    comes through :meth:`readings` alone.
    """

    def __init__(self, user: User | AnonymousUser) -> None:
        self.user = user

    @cached_property
    def _all_memberships(self) -> list[Membership]:
        if not self.user.is_authenticated or not self.user.is_active:
            return []
        own = Membership.objects.filter(user_id=self.user.pk).select_related("laboratory")
        return list(own.order_by("laboratory__name"))

    @cached_property
    def lacks_second_factor(self) -> bool:
        """Whether a laboratory of the user requires a second factor and they have none.

        Nothing of any laboratory is there for them until they set one up, whatever door they take.
        """
        if not any(each.laboratory.requires_second_factor for each in self._all_memberships):
            return False
        return not has_second_factor(self.user)

    @property
    def memberships(self) -> list[Membership]:
        """The user's memberships with their laboratories: one query however often it is asked."""
        return [] if self.lacks_second_factor else self._all_memberships

    @property
    def roles(self) -> dict[int, str]:
        """The user's role by laboratory id."""
        return {each.laboratory_id: each.role for each in self.memberships}

    def laboratory_ids(self, action: Action = Action.VIEW) -> list[int]:
        """Laboratories in which the user may do ``action``."""
        return [pk for pk, role in self.roles.items() if action in ALLOWED[role]]

    def may(self, action: Action, laboratory_id: int) -> bool:
        """Whether the user may do ``action`` in that laboratory."""
        role = self.roles.get(laboratory_id)
        return role is not None and action in ALLOWED[role]

    def require(self, action: Action, laboratory_id: int) -> None:
        """Stop somebody who may not do this.

        Raises:
            NotAllowed: ``not_allowed``.
        """
        if not self.may(action, laboratory_id):
            raise _not_allowed()

    def may_anywhere(self, action: Action) -> bool:
        """Whether there is any laboratory in which the user may do ``action``."""
        return bool(self.laboratory_ids(action))

    def require_anywhere(self, action: Action) -> None:
        """Stop somebody who may do this in no laboratory.

        Raises:
            NotAllowed: ``not_allowed``.
        """
        if not self.may_anywhere(action):
            raise _not_allowed()

    @cached_property
    def blinded_case_ids(self) -> list[int]:
        """Cases the user reads blind at present: one query however often it is asked."""
        if not self.user.is_authenticated:
            return []
        blind = Reading.objects.of_reader(self.user.pk or 0).blinding()
        return list(blind.values_list("double_reading__case_id", flat=True))

    def in_sight(self, rows: Any, case_path: str) -> Any:
        """Leave out of a queryset what belongs to a case the user reads blind.

        Args:
            rows: the queryset.
            case_path: lookup from its model to the case's id.
        """
        if not self.blinded_case_ids:
            return rows
        return rows.exclude(**{f"{case_path}__in": self.blinded_case_ids})

    def laboratories(self, action: Action = Action.VIEW) -> Any:
        return Laboratory.objects.filter(pk__in=self.laboratory_ids(action))

    def patients(self, action: Action = Action.VIEW) -> PatientQuerySet:
        return Patient.objects.of_laboratories(self.laboratory_ids(action))

    def cases(self, action: Action = Action.VIEW) -> SmearCaseQuerySet:
        rows = SmearCase.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "pk")

    def images(self, action: Action = Action.VIEW) -> CaseImageQuerySet:
        rows = CaseImage.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def cells(self, action: Action = Action.VIEW) -> CellQuerySet:
        rows = Cell.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def detections(self, action: Action = Action.VIEW) -> DetectionQuerySet:
        rows = Detection.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "image__case_id")

    def detection_corrections(self, action: Action = Action.VIEW) -> DetectionCorrectionQuerySet:
        rows = DetectionCorrection.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "detection__image__case_id")

    def corrections(self, action: Action = Action.VIEW) -> CorrectionQuerySet:
        rows = Correction.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "cell__case_id")

    def correction_batches(self, action: Action = Action.VIEW) -> CorrectionBatchQuerySet:
        rows = CorrectionBatch.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def findings(self, action: Action = Action.VIEW) -> FindingQuerySet:
        rows = Finding.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def sign_offs(self, action: Action = Action.VIEW) -> SignOffQuerySet:
        rows = SignOff.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def amendments(self, action: Action = Action.VIEW) -> AmendmentQuerySet:
        rows = Amendment.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def assignments(self, action: Action = Action.VIEW) -> CaseAssignmentQuerySet:
        rows = CaseAssignment.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def double_readings(self, action: Action = Action.VIEW) -> DoubleReadingQuerySet:
        rows = DoubleReading.objects.of_laboratories(self.laboratory_ids(action))
        return self.in_sight(rows, "case_id")

    def readings(self) -> ReadingQuerySet:
        """The user's own readings: the only door to a case they read blind."""
        rows = Reading.objects.of_reader(self.user.pk or 0)
        here = self.laboratory_ids(Action.CORRECT)
        return rows.filter(double_reading__case__laboratory_id__in=here)

    def laboratory_settings(self, action: Action = Action.VIEW) -> LaboratorySettingsQuerySet:
        return LaboratorySettings.objects.of_laboratories(self.laboratory_ids(action))

    def reference_ranges(self, action: Action = Action.VIEW) -> ReferenceRangeQuerySet:
        return ReferenceRange.objects.of_laboratories(self.laboratory_ids(action))


def policy_of(request: Any) -> AccessPolicy:
    """The request's policy, made once and kept on it."""
    policy = getattr(request, "_access_policy", None)
    if policy is None or policy.user != request.user:
        policy = AccessPolicy(request.user)
        request._access_policy = policy
    return policy


def require(user: User | AnonymousUser, action: Action, laboratory_id: int) -> None:
    """Stop a service that was called for somebody who may not do this.

    Raises:
        NotAllowed: ``not_allowed``.
    """
    AccessPolicy(user).require(action, laboratory_id)
