"""Signatures and amendments: every version of a result that was ever signed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models.append_only import AppendOnlyModel
from cases.models.case import SmearCase
from cases.result_querysets import AmendmentQuerySet, SignOffQuerySet


class SignOff(AppendOnlyModel):
    """A signed version of a case, frozen as it was; nothing that happens later changes it.

    ``snapshot`` holds the whole result (docs/signing.md describes it), ``snapshot_sha256`` is the
    SHA-256 of it as canonical JSON: keys sorted, no spaces, ASCII.
    """

    class Means(models.TextChoices):
        """How the signer proved to be who they are."""

        PASSWORD = "password", _("password")
        SECOND_FACTOR = "second_factor", _("second factor")

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="sign_offs", verbose_name=_("case")
    )
    version = models.PositiveIntegerField(_("version"))
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="sign_offs",
        verbose_name=_("signed by"),
    )
    signed_at = models.DateTimeField(_("signed"))
    means = models.CharField(
        _("signed with"), max_length=20, choices=Means.choices, default=Means.PASSWORD
    )
    comment = models.TextField(_("comment"), blank=True)
    snapshot: Any = models.JSONField(_("result"), encoder=DjangoJSONEncoder)
    snapshot_sha256 = models.CharField("SHA-256", max_length=64)

    objects = SignOffQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign-off")
        verbose_name_plural = _("sign-offs")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("case", "version"), name="one_sign_off_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.case} / {self.version}"


class Amendment(AppendOnlyModel):
    """Why a signed version was re-opened; the case's next version follows from it."""

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="amendments", verbose_name=_("case")
    )
    sign_off = models.OneToOneField(
        SignOff,
        on_delete=models.PROTECT,
        related_name="amendment",
        verbose_name=_("amended version"),
    )
    reason = models.TextField(_("reason"))
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="amendments",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = AmendmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("amendment")
        verbose_name_plural = _("amendments")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.sign_off}: {self.reason[:60]}"
