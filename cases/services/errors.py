"""Errors a service raises: a stable code, a translated sentence and what the reader can use."""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """A request that cannot be carried out.

    Attributes:
        code: stable, for programs.
        message: lazily translated sentence that says what to do.
        status: the HTTP status that fits.
        extra: more for the answer, for instance the current state after a conflict.
    """

    status = 400

    def __init__(self, code: str, message: Any, *, extra: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.extra = extra or {}


class Conflict(ServiceError):
    """Somebody was faster, or the row is in another state."""

    status = 409


class NotAllowed(ServiceError):
    """The user may see the row, but not do this with it."""

    status = 403


class Missing(ServiceError):
    """The row does not exist."""

    status = 404
