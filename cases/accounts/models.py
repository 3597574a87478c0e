"""Invitations: how somebody comes to have an account, or another laboratory."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import Laboratory, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

LIFETIME = timedelta(days=7)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Invitations by what can be done with them."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> InvitationQuerySet:
        return self.filter(laboratory_id__in=laboratory_ids)

    def open(self) -> InvitationQuerySet:
        """Neither accepted nor withdrawn; those that expired are still here."""
        return self.filter(accepted_at=None, withdrawn_at=None)

    def usable(self) -> InvitationQuerySet:
        return self.open().filter(expires_at__gt=timezone.now())

    def for_display(self) -> InvitationQuerySet:
        return self.select_related("laboratory", "invited_by").order_by("-created_at", "-pk")


class Invitation(models.Model):
    """A link, sent by e-mail, that makes whoever opens it a member with a role.

    Only the SHA-256 of the link's secret is kept.
    """

    laboratory = models.ForeignKey(
        Laboratory, on_delete=models.CASCADE, related_name="invitations",
        verbose_name=_("laboratory"),
    )  # fmt: skip
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("invited by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+",
        verbose_name=_("accepted by"),
    )  # fmt: skip
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        indexes = [models.Index(fields=("laboratory", "-created_at"), name="invitations_of_lab")]

    def __str__(self) -> str:
        return f"{self.email} · {self.laboratory}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
