"""What the site remembers of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cases.models import User


def remember_language(*, user: User, language: str) -> None:
    """Keep the language for the user's next log-in, on whatever machine that is."""
    user.language = language
    user.save(update_fields=["language"])
