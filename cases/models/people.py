"""Users, the laboratories they work in and the role each has there."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox's is untyped
    """A person who logs in. What they may do follows from their memberships alone."""

    language = models.CharField(
        _("language"), max_length=5, blank=True, help_text=_("The language chosen last.")
    )
    # Part of what every session is signed with: the next number ends them all.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]
        verbose_name_plural = _("users")  # type: ignore[assignment]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's, with the epoch in it; sessions signed under former keys are read alike."""
        salt = f"cases.User.session.{self.session_epoch}"
        return salted_hmac(salt, self.password, secret=secret, algorithm="sha256").hexdigest()


class Laboratory(models.Model):
    """A tenant: nothing of one laboratory is visible to another."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("short name"), unique=True)
    address = models.TextField(
        _("address"), blank=True, help_text=_("Printed at the head of reports, line by line.")
    )
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    email = models.EmailField(_("email"), blank=True)
    accreditation = models.CharField(
        _("accreditation"),
        max_length=120,
        blank=True,
        help_text=_("Such as “ISO 15189, no. 123”; printed on reports."),
    )
    requires_second_factor = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("Members without a second factor reach nothing until they have set one up."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("laboratory")
        verbose_name_plural = _("laboratories")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member does in a laboratory. A reviewer also uploads; an administrator does all."""

    TECHNICIAN = "technician", _("technician")
    REVIEWER = "reviewer", _("reviewer")
    ADMINISTRATOR = "administrator", _("administrator")


class Membership(models.Model):
    """A user's role in a laboratory."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    laboratory = models.ForeignKey(
        Laboratory,
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("laboratory"),
    )
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=("user", "laboratory"), name="one_role_per_user_and_laboratory"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.laboratory} · {self.get_role_display()}"
