"""A laboratory's rules and reference ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases.models import Laboratory, LaboratorySettings, ReferenceRange, SmearCase
from cases.policies import Action, require
from cases.services.borders import apply_border_rule
from cases.services.errors import Missing, ServiceError

if TYPE_CHECKING:
    from decimal import Decimal

    from cases.models import User

FIELD_RULES = ("border_rule", "platelet_factor", "camera_pixel_size")
RANGE_FIELDS = (
    "cell_class", "sex", "age_from", "age_to", "age_unit", "percent_low", "percent_high",
    "absolute_low", "absolute_high", "source",
)  # fmt: skip


def settings_of(*, laboratory_id: int) -> LaboratorySettings:
    """The laboratory's rules; the defaults, unsaved, where nobody has set any."""
    kept = LaboratorySettings.objects.filter(laboratory_id=laboratory_id).first()
    return kept or LaboratorySettings(laboratory_id=laboratory_id)


def save_settings(
    *,
    user: User,
    laboratory: Laboratory,
    require_all_reviewed: bool,
    nrbc_threshold: Decimal,
    analyser_excludes_nrbc: bool,
    **of_fields: Any,
) -> LaboratorySettings:
    """Set the laboratory's rules; a new rule for borders holds for its open cases at once.

    Args:
        user: who changes them.
        laboratory: whose they are.
        require_all_reviewed: before signing.
        nrbc_threshold: per 100 WBC.
        analyser_excludes_nrbc: whether the analyser's count is never corrected.
        of_fields: any of ``FIELD_RULES``; those not named keep their value.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    require(user, Action.MANAGE, laboratory.pk)
    unknown = of_fields.keys() - set(FIELD_RULES)
    if unknown:
        raise TypeError(f"not a rule of fields: {sorted(unknown)}")
    with transaction.atomic():
        row = settings_of(laboratory_id=laboratory.pk)
        row.require_all_reviewed = require_all_reviewed
        row.nrbc_threshold = nrbc_threshold
        row.analyser_excludes_nrbc = analyser_excludes_nrbc
        former = row.border_rule
        for name, value in of_fields.items():
            setattr(row, name, value)
        row.updated_by = user
        _checked(row)
        row.save()
        if row.border_rule != former:
            apply_border_rule(laboratory_id=laboratory.pk, rule=row.border_rule)
        SmearCase.objects.of_laboratories([laboratory.pk]).ask_for_range_flags()
    return row


def save_range(
    *, user: User, laboratory: Laboratory, range_id: int | None = None, **values: Any
) -> ReferenceRange:
    """Add a reference range, or change the one with this key.

    Args:
        user: who changes it.
        laboratory: whose range it is.
        range_id: the row to change; a new one without it.
        values: any of ``RANGE_FIELDS``; those not named keep their value.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Missing: ``range_not_found``.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    require(user, Action.MANAGE, laboratory.pk)
    unknown = values.keys() - set(RANGE_FIELDS)
    if unknown:
        raise TypeError(f"not a field of a range: {sorted(unknown)}")
    with transaction.atomic():
        # One at a time in a laboratory: two ranges checked side by side could overlap.
        Laboratory.objects.select_for_update().filter(pk=laboratory.pk).values_list("pk").first()
        row = (
            ReferenceRange(laboratory=laboratory)
            if range_id is None
            else _range(laboratory=laboratory, range_id=range_id)
        )
        for name, value in values.items():
            setattr(row, name, value)
        row.updated_by = user
        _checked(row)
        row.save()
        SmearCase.objects.of_laboratories([laboratory.pk]).ask_for_range_flags()
    return row


def delete_range(*, user: User, laboratory: Laboratory, range_id: int) -> None:
    """Take a reference range away; versions that were signed with it keep their copy.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Missing: ``range_not_found``.
    """
    require(user, Action.MANAGE, laboratory.pk)
    with transaction.atomic():
        _range(laboratory=laboratory, range_id=range_id).delete()
        SmearCase.objects.of_laboratories([laboratory.pk]).ask_for_range_flags()


def _range(*, laboratory: Laboratory, range_id: int) -> ReferenceRange:
    row = ReferenceRange.objects.filter(laboratory=laboratory, pk=range_id).first()
    if row is None:
        raise Missing("range_not_found", _("This reference range does not exist."))
    return row


def _checked(row: Any) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise ServiceError(
            "invalid",
            _("Some fields cannot be accepted."),
            extra={"errors": error.message_dict},
        ) from error
