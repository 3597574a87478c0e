"""Findings outside the counted set, and the analyser's white cell count."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import CaseImage, Cell, CellClass, Finding, SmearCase
from cases.policies import Action, require
from cases.services.cases import case_signed_off
from cases.services.errors import Conflict, Missing, ServiceError

if TYPE_CHECKING:
    from cases.models import User

WBC_LOWEST, WBC_HIGHEST = Decimal("0.001"), Decimal("9999.999")


def add_finding(
    *,
    case: SmearCase,
    user: User,
    cell_class: str = "",
    text: str = "",
    cell_number: int | None = None,
    image_number: int | None = None,
) -> Finding:
    """Record what was seen outside the counted set. No count and no percentage changes.

    Args:
        case: where it was seen.
        user: who saw it.
        cell_class: a class's code, if there is one for it.
        text: what it is in words; needed without a class.
        cell_number: the number in the case of a cell that shows it.
        image_number: the number in the case of an image that shows it.

    Raises:
        NotAllowed: when the user may not name cells in the case's laboratory.
        Conflict: ``case_signed_off``.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    require(user, Action.CORRECT, case.laboratory_id)
    errors: dict[str, list[Any]] = {}
    finding = Finding(case=case, text=text.strip(), made_by=user)
    if cell_class:
        finding.cell_class = CellClass.objects.filter(code=cell_class).first()
        if finding.cell_class is None:
            errors["cell_class"] = [_("There is no such cell class.")]
    if cell_number is not None:
        finding.cell = Cell.objects.filter(case=case, number=cell_number).first()
        if finding.cell is None:
            errors["cell"] = [_("There is no such cell in this case.")]
    if image_number is not None:
        finding.image = CaseImage.objects.filter(case=case, number=image_number).first()
        if finding.image is None:
            errors["image"] = [_("There is no such image in this case.")]
    if not errors:
        try:
            finding.full_clean()
        except ValidationError as error:
            errors.update(error.message_dict)
    if errors:
        raise ServiceError(
            "invalid", _("Some fields cannot be accepted."), extra={"errors": errors}
        )
    with transaction.atomic():
        _touch(case.pk)
        finding.save()
    return finding


def withdraw_finding(*, finding_id: int, user: User) -> Finding:
    """Take a finding back; it stays readable with who withdrew it and when.

    Raises:
        Missing: ``finding_not_found``.
        NotAllowed: when the user may not name cells in the case's laboratory.
        Conflict: ``case_signed_off``, ``finding_withdrawn``.
    """
    finding = Finding.objects.filter(pk=finding_id).select_related("case").first()
    if finding is None:
        raise Missing("finding_not_found", _("This finding does not exist."))
    require(user, Action.CORRECT, finding.case.laboratory_id)
    with transaction.atomic():
        _touch(finding.case_id)
        changed = (
            Finding.objects.filter(pk=finding_id)
            .standing()
            .update(withdrawn_by=user, withdrawn_at=timezone.now())
        )
        if not changed:
            raise Conflict(
                "finding_withdrawn", _("Somebody was faster: this finding is withdrawn already.")
            )
    finding.refresh_from_db()
    return finding


def set_analyser_wbc(*, case: SmearCase, user: User, value: Decimal | None) -> None:
    """Enter the analyser's white cell count, or take it away with ``None``.

    Args:
        case: whose count it is.
        user: who enters it.
        value: in 10^9/L, as the analyser gave it: not corrected for nucleated red cells, unless
            the laboratory's settings say that the analyser leaves them out.

    Raises:
        NotAllowed: when the user may not add to the case's laboratory.
        Conflict: ``case_signed_off``.
        ServiceError: ``invalid`` with ``extra["errors"]``.
    """
    require(user, Action.UPLOAD, case.laboratory_id)
    if value is not None and not (value.is_finite() and WBC_LOWEST <= value <= WBC_HIGHEST):
        message = _("Enter the WBC count in 10^9/L, between 0.001 and 9,999.999.")
        raise ServiceError("invalid", message, extra={"errors": {"analyser_wbc": [message]}})
    now = timezone.now()
    changed = (
        SmearCase.objects.filter(pk=case.pk)
        .not_frozen()
        .update(
            analyser_wbc=None if value is None else round(value, 3),
            analyser_wbc_by=None if value is None else user,
            analyser_wbc_at=None if value is None else now,
            range_flags_due=True,
            updated_at=now,
        )
    )
    if not changed:
        raise case_signed_off()


def _touch(case_id: int) -> None:
    """Write the case's row, so that a signature and this change wait for each other.

    Raises:
        Conflict: ``case_signed_off``.
    """
    if not (SmearCase.objects.filter(pk=case_id).not_frozen().update(updated_at=timezone.now())):
        raise case_signed_off()
