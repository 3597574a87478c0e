"""Store uploaded images: one answer per file, and never half an image."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Case as Choose
from django.db.models import F, Value, When
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from cases.large_tiffs import LargeTiff, large_tiff
from cases.models import CaseImage, Cell, SmearCase
from cases.policies import Action, require
from cases.services.archives import is_archive, read_entries
from cases.services.cases import case_signed_off
from cases.services.doorbell import ring_after_commit, ring_task
from cases.services.errors import ServiceError
from cases.validators import Rejected, display_name, fingerprint, read_capped, read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files import File
    from django.core.files.storage import Storage

    from cases.models import User

logger = logging.getLogger(__name__)

Content = bytes | LargeTiff | Rejected

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
REJECTED = "rejected"
AUTO = "auto"
# In pixels. A photo of one cell is square and small (those of PBC: 360 x 363); a field of view is
# larger, and rarely square. What is neither for sure is judged by the size of its cells.
CELL_SIDE_MAX = 512
CELL_ASPECT_MAX = 1.15
FIELD_SIDE_MIN = 440
FIELD_ASPECT_MIN = 1.2
NOT_STORED = _(
    "The file could not be stored; send it again, and tell the administrator if it happens again."
)
# A long upload rings while it goes on, but not for every file.
SECONDS_BETWEEN_RINGS = 2.0


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
    *,
    case: SmearCase,
    user: User,
    files: Iterable[Any],
    kind: str = AUTO,
) -> Iterator[FileAnswer]:
    """Store files (Django's UploadedFile or alike) one by one; a ZIP answers for every entry.

    Every file is a transaction of its own: what is answered as accepted is committed, with its
    file, its row and its queued cell, whatever happens to the next one. An image of kind
    ``field`` gets no cell yet: the worker looks for them. With ``auto`` every image is judged by
    its size, see :func:`kind_of`.

    Raises:
        NotAllowed: when the user may not upload to the case's laboratory.
        Conflict: ``case_signed_off``.
        ServiceError: ``unknown_kind``.
    """
    require(user, Action.UPLOAD, case.laboratory_id)
    if kind != AUTO and kind not in CaseImage.Kind.values:
        message = _("The kind of image must be auto, single_cell or field.")
        raise ServiceError("unknown_kind", message, extra={"errors": {"kind": [message]}})
    if not SmearCase.objects.filter(pk=case.pk).not_frozen().exists():
        raise case_signed_off()
    return _store_each(case, user, files, kind)


def kind_of(width: int, height: int) -> tuple[str, str]:
    """Judge by its size what an image shows: the kind, and how sure that is.

    A square image of at most 512 pixels shows one cell, an oblong one of at least 440 many; so does
    whatever is below 440 on its shorter and at most 512 on its longer side show one. Of the others
    the worker finds out.
    """
    Kind, Source = CaseImage.Kind, CaseImage.KindSource
    short, long = sorted((width, height))
    if long <= CELL_SIDE_MAX and (long <= short * CELL_ASPECT_MAX or short < FIELD_SIDE_MIN):
        return Kind.SINGLE_CELL, Source.SHAPE
    if short >= FIELD_SIDE_MIN and long >= short * FIELD_ASPECT_MIN:
        return Kind.FIELD, Source.SHAPE
    return Kind.FIELD, Source.UNSURE


def _store_each(
    case: SmearCase, user: User, files: Iterable[Any], kind: str
) -> Iterator[FileAnswer]:
    waiting = False
    rung_at = float("-inf")
    try:
        for name, content in _contents(files, kind):
            answer = _store(case, user, display_name(name), content, kind)
            waiting = waiting or answer.outcome == ACCEPTED
            if waiting and time.monotonic() - rung_at >= SECONDS_BETWEEN_RINGS:
                ring_after_commit()
                waiting, rung_at = False, time.monotonic()
            yield answer
    finally:
        if waiting:
            ring_after_commit()


def _contents(files: Iterable[Any], kind: str) -> Iterator[tuple[str, Content]]:
    """Name and content of every file, those in archives one by one."""
    single = kind == CaseImage.Kind.SINGLE_CELL
    for file in files:
        try:
            if is_archive(file):
                yield from read_entries(file)
            else:
                large = None if single else large_tiff(file)
                yield file.name, large or read_capped(file)
        except Rejected as refusal:
            yield file.name, refusal
        except OSError:
            logger.exception("An upload could not be kept while it was looked at.")
            yield file.name, Rejected("not_stored", NOT_STORED)


def _store(case: SmearCase, user: User, name: str, content: Content, kind: str) -> FileAnswer:
    """Answer for one file, whatever it is."""
    try:
        if isinstance(content, Rejected):
            raise content
        if isinstance(content, LargeTiff):
            with closing(content.file):
                repeated = _duplicate(case, name, content.sha256)
                return repeated or _keep_tiff(case, user, name, content)
        sha256 = fingerprint(content)
        repeated = _duplicate(case, name, sha256)
        if repeated:
            return repeated
        picture = read_picture(content)
        source: str = CaseImage.KindSource.GIVEN
        if kind == AUTO:
            kind, source = kind_of(picture.width, picture.height)
        image = CaseImage(
            case_id=case.pk,
            original_name=name,
            sha256=sha256,
            byte_size=len(content),
            width=picture.width,
            height=picture.height,
            kind=kind,
            kind_source=source,
            uploaded_by=user,
        )
        return _keep(case, image, f"image.{picture.extension}", ContentFile(picture.data))
    except ServiceError as refusal:
        return FileAnswer(name, REJECTED, refusal.code, refusal.message)
    except (OSError, DatabaseError):
        logger.exception("A file could not be stored in case %s", case.pk)
        return FileAnswer(
            name,
            REJECTED,
            "not_stored",
            NOT_STORED,
        )


def _duplicate(case: SmearCase, name: str, sha256: str) -> FileAnswer | None:
    number = (
        CaseImage.objects.filter(case_id=case.pk, sha256=sha256)
        .values_list("number", flat=True)
        .first()
    )
    if number is None:
        return None
    message = format_lazy(
        _("This file is already in the case as image {number}; nothing was added."), number=number
    )
    return FileAnswer(name, DUPLICATE, "duplicate", message, duplicate_of=number)


def _keep_tiff(case: SmearCase, user: User, name: str, tiff: LargeTiff) -> FileAnswer:
    """Keep the picture of a large TIFF; one this large is a field."""
    image = CaseImage(
        case_id=case.pk,
        original_name=name,
        sha256=tiff.sha256,
        byte_size=tiff.byte_size,
        width=tiff.width,
        height=tiff.height,
        kind=CaseImage.Kind.FIELD,
        kind_source=CaseImage.KindSource.SHAPE,
        uploaded_by=user,
    )
    return _keep(case, image, "image.tif", tiff.file)


def _keep(case: SmearCase, image: CaseImage, called: str, content: File[Any]) -> FileAnswer:
    """Write the file, then its rows; a failure of the rows takes the file away again.

    A process that dies in between leaves a file no row knows, never a row without its file.
    """
    single = image.kind == CaseImage.Kind.SINGLE_CELL
    name = image.original_name
    storage = image.file.storage
    # Named before it is written: a disk that is full leaves a piece of it.
    stored_as = image.file.field.generate_filename(image, called)
    try:
        image.file.name = stored_as = storage.save(stored_as, content)
        with transaction.atomic():
            image.number, cell_number = _next_numbers(case, cells=int(single))
            image.save(force_insert=True)
            if single:
                Cell.objects.create(
                    case_id=case.pk,
                    image=image,
                    number=cell_number,
                    left=0,
                    top=0,
                    width=image.width,
                    height=image.height,
                )
    except IntegrityError:
        _take_back(storage, stored_as)
        # Somebody stored the same file since it was looked for.
        repeated = _duplicate(case, name, image.sha256)
        if repeated is None:
            raise
        return repeated
    except BaseException:
        _take_back(storage, stored_as)
        raise
    if not single and image.width * image.height > settings.TILED_FROM_PIXELS:
        transaction.on_commit(lambda: ring_task(settings.TILE_TASK))
    message = (
        _("Accepted.")
        if single
        else _("Accepted as a field of view; its cells are looked for now.")
    )
    return FileAnswer(name, ACCEPTED, "accepted", message, image=image)


def _take_back(storage: Storage, name: str) -> None:
    """Remove a file whose row was not stored.

    A database that went away in mid-commit may have kept the row. Whoever cannot ask leaves the
    file to the sweep of the storage: better a file too many than a row without one.
    """
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        if CaseImage.objects.filter(file=name).exists():
            return
    except DatabaseError:
        logger.warning("Whether %s was stored cannot be told; the file stays.", name)
        return
    storage.delete(name)


def _next_numbers(case: SmearCase, *, cells: int) -> tuple[int, int]:
    """Take the next image number and cell number of a case, inside a transaction.

    The conditional update locks the case's row until the commit, so numbers have neither gaps nor
    twins, and no image slips in behind a signature.

    Raises:
        Conflict: ``case_signed_off``.
    """
    Status = SmearCase.Status
    waiting = When(status__in=(Status.OPEN, Status.IN_REVIEW), then=Value(Status.PROCESSING))
    taken = (
        SmearCase.objects.filter(pk=case.pk)
        .not_frozen()
        .update(
            last_image_number=F("last_image_number") + 1,
            last_cell_number=F("last_cell_number") + cells,
            status=Choose(waiting, default=F("status")),
            updated_at=timezone.now(),
        )
    )
    if not taken:
        raise case_signed_off()
    return SmearCase.objects.values_list("last_image_number", "last_cell_number").get(pk=case.pk)
