"""Codes of authenticator apps and recovery codes, where no page of the library asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.mfa.base.internal.flows import check_rate_limit
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases.services.errors import ServiceError

if TYPE_CHECKING:
    from cases.models import User


class TooManyAttempts(ServiceError):
    """Somebody guesses."""

    status = 429


def too_many_attempts() -> TooManyAttempts:
    return TooManyAttempts("too_many_attempts", _("Too many failed attempts. Try again later."))


def is_right_code(user: User, code: str) -> bool:
    """Whether the code is the user's present one; each is good once, as the library sees to.

    Raises:
        TooManyAttempts: after a few wrong ones.
    """
    code = code.strip().replace(" ", "")
    if not code:
        return False
    try:
        forget_attempts = check_rate_limit(user)
    except ValidationError as error:
        raise too_many_attempts() from error
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    with transaction.atomic():
        for each in Authenticator.objects.filter(user_id=user.pk, type__in=kinds):
            if each.wrap().validate_code(code):
                each.record_usage()
                forget_attempts()
                return True
    return False
