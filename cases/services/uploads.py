"""Store uploaded images: one answer per file, and never half an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cases.models import CaseImage, SmearCase, User


@dataclass(frozen=True)
class FileAnswer:
    """What became of one file.

    Attributes:
        name: a harmless form of the file's name, for display.
        outcome: ``accepted``, ``duplicate`` or ``rejected``.
        code: stable, for programs.
        message: lazily translated; says what happened and what to do.
        image: the stored image when accepted.
        duplicate_of: the number of the image in the case this file repeats.
    """

    name: str
    outcome: str
    code: str
    message: Any
    image: CaseImage | None = None
    duplicate_of: int | None = None


def store_images(
    *, case: SmearCase, user: User, files: Iterable[Any], kind: str = "single_cell"
) -> Iterator[FileAnswer]:
    """Store files (Django's UploadedFile or alike) one by one; a ZIP answers for every entry.

    Raises:
        NotAllowed: when the user may not upload to the case's laboratory.
        Conflict: ``case_signed_off``.
    """
    raise NotImplementedError
