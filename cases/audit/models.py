"""The audit trail: one row for everything somebody saw, changed, exported or signed.

Rows are never changed or removed: triggers of the database refuse it, and every row carries an HMAC
over itself and the row before, so that what is done behind the triggers is noticed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

GENESIS = "0" * 64
HEAD = 1


class Action(models.TextChoices):
    """What somebody did."""

    VIEWED = "viewed", pgettext_lazy("audit", "viewed")
    LISTED = "listed", pgettext_lazy("audit", "listed")
    CHANGED = "changed", pgettext_lazy("audit", "changed")
    EXPORTED = "exported", pgettext_lazy("audit", "exported")
    SIGNED = "signed", pgettext_lazy("audit", "signed")
    REFUSED = "refused", pgettext_lazy("audit", "was refused")
    LOGGED_IN = "logged_in", pgettext_lazy("audit", "logged in")
    LOGGED_OUT = "logged_out", pgettext_lazy("audit", "logged out")
    LOG_IN_FAILED = "log_in_failed", pgettext_lazy("audit", "failed to log in")
    COMMANDED = "commanded", pgettext_lazy("audit", "ran a command")


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Refuses what would change the trail, and knows how it is searched."""

    def update(self, **values: Any) -> int:
        raise AppendOnlyError

    def delete(self) -> Any:
        raise AppendOnlyError

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> AppendOnlyQuerySet:
        return self.filter(laboratory_id__in=list(laboratory_ids))

    def search(
        self,
        *,
        text: str = "",
        action: str = "",
        case_id: int | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> AppendOnlyQuerySet:
        """Entries of a user (part of the name), an action, a case, a time; newest first."""
        found = self
        if text:
            found = found.filter(username__icontains=text)
        if action:
            found = found.filter(action=action)
        if case_id is not None:
            found = found.filter(case_id=case_id)
        if begin is not None:
            found = found.filter(at__gte=begin)
        if end is not None:
            found = found.filter(at__lt=end)
        return found.order_by("-sequence")


class AppendOnlyError(TypeError):
    """The trail was about to be changed."""

    def __init__(self) -> None:
        super().__init__("The audit trail is append-only.")


class AuditEntry(models.Model):
    """One thing that happened.

    Keys stand without foreign keys: the entry outlives the case and the account. It holds no
    patient's name.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(_("when"))
    user_id = models.BigIntegerField(null=True)
    username = models.CharField(_("who"), max_length=150, blank=True)
    laboratory_id = models.BigIntegerField(null=True)
    case_id = models.BigIntegerField(null=True)
    action = models.CharField(_("did"), max_length=20, choices=Action.choices)
    subject = models.CharField(_("what"), max_length=200)
    details = models.JSONField(_("details"), default=dict)
    address = models.GenericIPAddressField(_("from"), null=True)
    key_id = models.CharField(max_length=8)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index(fields=("laboratory_id", "-sequence"), name="audit_of_laboratory"),
            models.Index(fields=("case_id", "-sequence"), name="audit_of_case"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.username} {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise AppendOnlyError

    def computed_digest(self, key: str) -> str:
        """The HMAC-SHA-256 over everything the row says and the digest before it."""
        said = [
            self.sequence,
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.user_id,
            self.username,
            self.laboratory_id,
            self.case_id,
            self.action,
            self.subject,
            self.details,
            self.address,
            self.key_id,
            self.previous,
        ]
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return sign(key, text)


class AuditHead(models.Model):
    """Where the chain ends; the one row that moves. Writers hold it, so that no chain forks."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    sequence = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default=GENESIS)
    seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"

    def computed_seal(self, key: str) -> str:
        return sign(key, f"head {self.sequence} {self.digest}")


def sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def key_id_of(key: str) -> str:
    """What a row says of the key it was signed with, without telling it."""
    return hashlib.sha256(f"audit key {key}".encode()).hexdigest()[:8]


def present_key() -> str:
    """The first of ``AUDIT_KEYS``."""
    from django.conf import settings

    if not settings.AUDIT_KEYS:
        raise ImproperlyConfigured("Set the environment variable AUDIT_KEYS or SECRET_KEY.")
    return str(settings.AUDIT_KEYS[0])
