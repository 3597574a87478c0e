"""Signing a case, and amending what was signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from cases.models import (
    Amendment,
    CaseImage,
    Cell,
    Detection,
    DoubleReading,
    Finding,
    SignOff,
    SmearCase,
)
from cases.policies import Action, require
from cases.services.cases import case_signed_off
from cases.services.counts import CaseCounts, case_counts
from cases.services.errors import Conflict, Missing, ServiceError
from cases.services.identity import confirm_identity
from cases.services.laboratory_settings import settings_of
from cases.services.snapshots import as_stored, case_snapshot, fingerprint
from cases.services.work_order import refresh_work_order

if TYPE_CHECKING:
    from cases.models import LaboratorySettings, User

COMMENT_MAX_LENGTH = 2000
REASON_MIN_LENGTH = 3
# Of the fields in the way of a signature so many are named; their list shows all.
FIELDS_NAMED = 10


@dataclass(frozen=True)
class Obstacle:
    """Something that stands in the way of a signature.

    Attributes:
        code: stable, for programs.
        message: lazily translated; says what to do.
        cells: how many cells are concerned.
        query: the workspace's filter that shows them, as it stands in an address; "" for none.
        field_numbers: of the fields concerned, the first ``FIELDS_NAMED``.
    """

    code: str
    message: Any
    cells: int
    query: str = ""
    field_numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Readiness:
    """Whether a case can be signed, and what the answer rests on.

    Attributes:
        obstacles: what stands in the way, most basic first.
        seen: stands for the case as it is now; a signature names it, so that nobody signs what
            somebody else has just changed.
        version: the number the signed version would have.
    """

    obstacles: list[Obstacle]
    seen: str
    version: int

    @property
    def ready(self) -> bool:
        return not self.obstacles


def readiness(*, case: SmearCase, counts: CaseCounts | None = None) -> Readiness:
    """Say what, if anything, stands in the way of signing the case.

    Args:
        case: the case; its status is read from this object.
        counts: the case's, if they have just been counted.
    """
    counts = counts or case_counts(case=case)
    rules = settings_of(laboratory_id=case.laboratory_id)
    return Readiness(
        obstacles=_field_obstacles(case, counts)
        + _obstacles(counts, rules)
        + _reading_obstacles(case),
        seen=_seen(case, rules),
        version=SignOff.objects.of_case(case.pk).count() + 1,
    )


def _field_obstacles(case: SmearCase, counts: CaseCounts) -> list[Obstacle]:
    """Fields that are still searched, or could not be; no query for a case without such."""
    found = []
    message: Any
    unsearched = CaseImage.objects.in_case(case.pk).unsearched()
    if counts.fields_pending:
        message = ngettext_lazy(
            "%(fields)d field is still searched for cells. Wait until that is done.",
            "%(fields)d fields are still searched for cells. Wait until that is done.",
            "fields",
        ) % {"fields": counts.fields_pending}
        numbers = unsearched.pending().first_numbers(FIELDS_NAMED)
        found.append(
            Obstacle("fields_pending", message, counts.fields_pending, field_numbers=numbers)
        )
    if counts.fields_failed:
        message = ngettext_lazy(
            "%(fields)d field could not be searched for cells. Retry, or correct its kind.",
            "%(fields)d fields could not be searched for cells. Retry, or correct their kind.",
            "fields",
        ) % {"fields": counts.fields_failed}
        numbers = unsearched.failed().first_numbers(FIELDS_NAMED)
        found.append(
            Obstacle("fields_failed", message, counts.fields_failed, field_numbers=numbers)
        )
    return found


def _obstacles(counts: CaseCounts, rules: LaboratorySettings) -> list[Obstacle]:
    found = []
    message: Any
    if not counts.total:
        message = _("There is no cell in this case. Add its images first.")
        found.append(Obstacle("no_cells", message, 0))
    if counts.pending:
        message = ngettext_lazy(
            "%(cells)d cell still waits for the model. Wait until it is named.",
            "%(cells)d cells still wait for the model. Wait until they are named.",
            "cells",
        ) % {"cells": counts.pending}
        found.append(Obstacle("cells_pending", message, counts.pending))
    unnamed = counts.unnamed if not counts.pending else 0
    if unnamed:
        message = ngettext_lazy(
            "%(cells)d cell has no name. Name it, or let the model try again.",
            "%(cells)d cells have no name. Name them, or let the model try again.",
            "cells",
        ) % {"cells": unnamed}
        found.append(Obstacle("cells_unnamed", message, unnamed, "class=unnamed"))
    if counts.needs_review:
        message = ngettext_lazy(
            "%(cells)d cell needs review. Confirm or correct it.",
            "%(cells)d cells need review. Confirm or correct them.",
            "cells",
        ) % {"cells": counts.needs_review}
        found.append(Obstacle("cells_need_review", message, counts.needs_review, "review=1"))
    if counts.unidentified:
        message = ngettext_lazy(
            "%(cells)d cell is called unidentified. Give it a name.",
            "%(cells)d cells are called unidentified. Give them names.",
            "cells",
        ) % {"cells": counts.unidentified}
        found.append(
            Obstacle("cells_unidentified", message, counts.unidentified, "class=unidentified")
        )
    others = counts.not_reviewed - counts.needs_review
    if rules.require_all_reviewed and others > 0:
        message = ngettext_lazy(
            "Your laboratory asks for every cell to be reviewed: %(cells)d is not yet.",
            "Your laboratory asks for every cell to be reviewed: %(cells)d are not yet.",
            "cells",
        ) % {"cells": others}
        found.append(Obstacle("cells_not_reviewed", message, others, "show=unreviewed"))
    return found


def _reading_obstacles(case: SmearCase) -> list[Obstacle]:
    """A case two readers were asked for is not signed before their matter is closed."""
    if not DoubleReading.objects.of_case(case.pk).under_way().exists():
        return []
    message = _("Two readers were asked for: wait until it is decided, or withdraw the request.")
    return [Obstacle("double_reading_under_way", message, 0)]


def _seen(case: SmearCase, rules: LaboratorySettings) -> str:
    """What stands for the state of the case: anything that changes the result changes it."""
    cells = Cell.objects.of_case(case.pk).aggregate(number=Count("pk"), versions=Sum("version"))
    # Red cells are no cells of the case, yet their counts are part of the result.
    on_fields = Detection.objects.of_case(case.pk)
    fields = on_fields.aggregate(number=Count("pk"), versions=Sum("version"))
    ranges = case.laboratory.reference_ranges.order_by("pk").values_list("pk", "updated_at")
    findings = Finding.objects.of_case(case.pk).standing().order_by("pk")
    return fingerprint(
        {
            "cells": [cells["number"], cells["versions"]],
            "fields": [fields["number"], fields["versions"]],
            "white_cells": case.analyser_wbc,
            "findings": list(findings.values_list("pk", flat=True)),
            "rules": rules.updated_at,
            "ranges": [list(each) for each in ranges],
            "patient": [case.patient.sex, case.patient.birth_date, case.collected_at],
        }
    )[:32]


def sign_case(
    *, case_id: int, user: User, password: str, comment: str = "", seen: str | None = None
) -> SignOff:
    """Sign a case: freeze it, and keep its whole result as a version that never changes.

    Args:
        case_id: the case's key.
        user: who signs.
        password: the signer's own, typed for this signature.
        comment: printed with the result.
        seen: ``Readiness.seen`` of what the signer looked at; 409 when it is no longer so.

    Raises:
        NotAllowed: ``not_allowed``, ``wrong_password``.
        Missing: ``case_not_found``.
        Conflict: ``case_signed_off``, ``case_changed``, ``not_ready`` with ``obstacles``.
        ServiceError: ``comment_too_long``.
    """
    case = SmearCase.objects.filter(pk=case_id).first()
    if case is None:
        raise Missing("case_not_found", _("This case does not exist."))
    require(user, Action.SIGN, case.laboratory_id)
    if case.is_frozen:
        raise case_signed_off()
    comment = _checked(comment, "comment")
    means = confirm_identity(user=user, password=password)
    with transaction.atomic():
        now = timezone.now()
        # The statement both takes the case, so that of two signers one comes too late, and locks
        # its row: a correction under way is either committed by now or refused afterwards.
        taken = (
            SmearCase.objects.filter(pk=case_id)
            .not_frozen()
            .update(status=SmearCase.Status.SIGNED_OFF, revision=F("revision") + 1, updated_at=now)
        )
        if not taken:
            raise case_signed_off()
        case = SmearCase.objects.select_related("patient__name_record", "laboratory").get(
            pk=case_id
        )
        state = readiness(case=case)
        if seen is not None and seen != state.seen:
            raise Conflict(
                "case_changed",
                _("The case has changed since you looked at it. Look again before you sign."),
            )
        if not state.ready:
            raise not_ready(state.obstacles)
        document = as_stored(case_snapshot(case=case))
        return SignOff.objects.create(
            case=case,
            version=state.version,
            signed_by=user,
            signed_at=now,
            means=means,
            comment=comment,
            snapshot=document,
            snapshot_sha256=fingerprint(document),
        )


def not_ready(obstacles: list[Obstacle]) -> Conflict:
    """The refusal of a signature, with everything that stands in its way."""
    return Conflict(
        "not_ready",
        _("This case cannot be signed yet; see what is left to do."),
        extra={
            "obstacles": [
                {
                    "code": each.code,
                    "message": str(each.message),
                    "cells": each.cells,
                    "field_numbers": list(each.field_numbers),
                }
                for each in obstacles
            ]
        },
    )


def amend_case(*, case_id: int, user: User, reason: str, version: int | None = None) -> Amendment:
    """Re-open a signed case as its next version; the signed one stays readable for ever.

    Args:
        case_id: the case's key.
        user: who amends.
        reason: why, shown with both versions.
        version: the version the reader looked at; 409 when it is not the latest.

    Raises:
        NotAllowed: ``not_allowed``.
        Missing: ``case_not_found``.
        Conflict: ``case_not_signed``, ``stale_version``.
        ServiceError: ``reason_missing``, ``reason_too_long``.
    """
    case = SmearCase.objects.filter(pk=case_id).first()
    if case is None:
        raise Missing("case_not_found", _("This case does not exist."))
    require(user, Action.SIGN, case.laboratory_id)
    reason = _checked(reason, "reason")
    if len(reason) < REASON_MIN_LENGTH:
        message = _("Say why the case is amended; the reason is shown with both versions.")
        raise ServiceError("reason_missing", message, extra={"errors": {"reason": [message]}})
    try:
        with transaction.atomic():
            reopened = (
                SmearCase.objects.filter(pk=case_id)
                .frozen()
                .update(
                    status=SmearCase.Status.AMENDED,
                    revision=F("revision") + 1,
                    updated_at=timezone.now(),
                )
            )
            if not reopened:
                raise _not_signed()
            refresh_work_order(case_id=case_id)
            latest = SignOff.objects.of_case(case_id).without_snapshot().first()
            if latest is None:
                raise _not_signed()
            if version is not None and version != latest.version:
                raise Conflict(
                    "stale_version",
                    _("There is a newer version. Look at it before you amend it."),
                )
            return Amendment.objects.create(
                case_id=case_id, sign_off=latest, reason=reason, made_by=user
            )
    except IntegrityError as error:  # amended already, whatever the status says
        raise _not_signed() from error


def _not_signed() -> Conflict:
    return Conflict("case_not_signed", _("Only a signed case can be amended; this one is open."))


def _checked(text: str, name: str) -> str:
    text = text.strip()
    if len(text) > COMMENT_MAX_LENGTH:
        message = _("This text is too long; shorten it to 2,000 characters.")
        raise ServiceError(f"{name}_too_long", message, extra={"errors": {name: [message]}})
    return text
