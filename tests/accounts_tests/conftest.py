"""Fixtures of people and access."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp

from cases.models import Laboratory, Role
from tests.factories import LaboratoryFactory, member

if TYPE_CHECKING:
    from cases.models import User

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory(name="Hospital San Marcos")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> Any:
    return member(laboratory, Role.REVIEWER, username="rita", email="rita@example.org")


@pytest.fixture
def administrator(laboratory: Laboratory) -> Any:
    return member(laboratory, Role.ADMINISTRATOR, username="adela", email="adela@example.org")


def add_app(user: User) -> Authenticator:
    """Give the user an authenticator app with a known secret."""
    return totp.TOTP.activate(user, SECRET).instance


def add_recovery_codes(user: User) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def code_now(secret: str = SECRET) -> str:
    """What the app shows at this moment."""
    counter = int(time.time()) // 30
    return str(totp.format_hotp_value(totp.hotp_value(secret, counter)))
