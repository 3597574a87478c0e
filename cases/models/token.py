"""API tokens: what each may do, until when, and when it was used last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken, AuthTokenManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cases.models.people import User


class TokenScope(models.TextChoices):
    """What a token is for. Its owner's role in a laboratory limits it further."""

    READ = "read", _("read")
    WRITE = "write", _("upload and correct")
    SIGN = "sign", _("sign")


def all_scopes() -> list[str]:
    return list(TokenScope.values)


class ApiTokenManager(AuthTokenManager, models.Manager["ApiToken"]):
    """``create`` is the library's: it returns the row and the token itself."""

    def create(self, user: User, **given: Any) -> tuple[ApiToken, str]:  # type: ignore[override]
        made: tuple[ApiToken, str] = super().create(user, **given)  # type: ignore[call-arg]
        return made

    def valid_of(self, user: User) -> models.QuerySet[ApiToken]:
        """The user's tokens that still open something."""
        valid = models.Q(expiry=None) | models.Q(expiry__gt=timezone.now())
        rows: models.QuerySet[ApiToken] = self.filter(valid, user=user)
        return rows


class ApiToken(AbstractAuthToken):
    """A token of the API. Only its SHA-512 is kept; the token itself is shown once."""

    name = models.CharField(_("name"), max_length=100, blank=True)
    scopes = models.JSONField(_("may"), default=all_scopes)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    objects = ApiTokenManager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.name or self.token_key} · {self.user}"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def scope_names(self) -> list[str]:
        """The scopes in the reader's language."""
        return [str(TokenScope(each).label) for each in known(self.scopes)]


def known(scopes: Iterable[str]) -> list[str]:
    """Those scopes that exist, in the order they are offered."""
    given = set(scopes)
    return [each for each in TokenScope.values if each in given]
