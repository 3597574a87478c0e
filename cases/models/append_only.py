"""Rows that are kept as made."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models


class AppendOnlyModel(models.Model):
    """A row that is inserted once, and neither changed nor deleted after."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only.

        Raises:
            TypeError: when the row exists already.
        """
        if not self._state.adding:
            raise TypeError("This row is never changed; make another one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError("This row is never deleted.")
