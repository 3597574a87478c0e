"""The quick look: pictures named without a case, kept for minutes and then gone.

Like cells, a look is a row first; the worker is rung after the commit and takes it under a lease.
Unlike cells, its pictures lie in the database, so that one DELETE takes everything away: on leaving
the page, after adding to a case, when the owner starts another look, or by the sweep when the time
is up.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases import failures
from cases.models import CellClass
from cases.policies import AccessPolicy, Action
from cases.services.doorbell import ring_task
from cases.services.errors import ServiceError
from cases.services.uploads import REJECTED, store_images
from cases.validators import Rejected, display_name, read_capped, read_picture
from classifier.clock import queue_time
from classifier.inference import reader_for
from classifier.models import ModelVersion, QuickLook, QuickLookPicture
from classifier.services import leases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cases.models import SmearCase, User
    from cases.services.uploads import FileAnswer
    from classifier.inference import CellReader

logger = logging.getLogger(__name__)

# Leaving the page may be a reload or a change of language: it goes only after this.
SECONDS_AFTER_LEAVING = 20


def start_quick_look(
    *, user: User, files: Sequence[Any]
) -> tuple[QuickLook | None, list[tuple[str, Any]]]:
    """Keep pictures for a moment and ask the worker to name them.

    The owner's earlier looks go. Files that are no pictures are answered for, the others are kept.

    Args:
        user: the owner, who may upload in some laboratory.
        files: Django's UploadedFile or alike.

    Returns:
        The look, or None when no file could be used; and the name and reason of each refused file.

    Raises:
        NotAllowed: when the user may upload nowhere.
        ServiceError: ``no_files``, ``too_many_files``.
    """
    AccessPolicy(user).require_anywhere(Action.UPLOAD)
    if not files:
        raise ServiceError("no_files", _("No file was sent. Choose at least one."))
    if len(files) > settings.QUICK_LOOK_MAX_FILES:
        raise ServiceError(
            "too_many_files",
            _("A quick look takes at most %(most)s pictures. For more, open a case.")
            % {"most": settings.QUICK_LOOK_MAX_FILES},
        )
    refused: list[tuple[str, Any]] = []
    pictures: list[QuickLookPicture] = []
    for file in files:
        name = display_name(file.name)
        try:
            picture = read_picture(_read(file))
        except Rejected as refusal:
            refused.append((name, refusal.message))
            continue
        pictures.append(
            QuickLookPicture(
                number=len(pictures) + 1,
                name=name,
                data=picture.data,
                extension=picture.extension,
                width=picture.width,
                height=picture.height,
            )
        )
    if not pictures:
        return None, refused
    with transaction.atomic():
        QuickLook.objects.of_owner(user).delete()
        look = QuickLook.objects.create(owner=user, expires_at=_end())
        for each in pictures:
            each.quick_look = look
        QuickLookPicture.objects.bulk_create(pictures)
        transaction.on_commit(lambda: ring_task(settings.EXPLAIN_TASK))
    return look, refused


def _read(file: Any) -> bytes:
    """Read a file within the quick look's own limit.

    Raises:
        Rejected: ``too_large``, or as :func:`cases.validators.read_capped`.
    """
    if (file.size or 0) > settings.QUICK_LOOK_MAX_BYTES:
        raise Rejected(
            "too_large",
            _("The file is larger than a quick look takes (%(megabytes)s MB). Add it to a case.")
            % {"megabytes": settings.QUICK_LOOK_MAX_BYTES // 1024**2},
        )
    return read_capped(file)


def answer_waiting(
    *, reader: CellReader | None = None, should_stop: Callable[[], bool] = bool
) -> int:
    """Name the pictures of the looks that wait; returns how many looks were finished.

    Raises:
        BundleError, ServiceError: when the model cannot be used; the looks stay queued until they
            run out.
    """
    finished = 0
    leases.give_up(QuickLook.objects.all())
    while not should_stop():
        now = queue_time()
        rows = QuickLook.objects.alive(now)
        version = ModelVersion.objects.active().first()
        if version is None or not rows.claimable(now).exists():
            break
        usable = reader or reader_for(version)
        look = leases.claim_one(rows)
        if look is None:
            break
        finished += 1
        try:
            with leases.Heartbeat(partial(leases.renew, look)):
                _answer(look, version, usable)
        except Exception:
            logger.exception("Quick look %s failed and is given back.", look.pk)
            leases.give_back(look, failure_code=failures.MODEL_ERROR)
    return finished


def _answer(look: QuickLook, version: ModelVersion, reader: CellReader) -> None:
    pictures = list(look.pictures.all())
    found = reader.predict([bytes(each.data) for each in pictures])
    classes = CellClass.objects.in_bulk(version.classes, field_name="code")
    for picture, answer in zip(pictures, found, strict=True):
        if answer.error:
            picture.failure_code = answer.error
            continue
        picture.predicted_class = classes[answer.predicted_class]
        picture.confidence = answer.confidence
        picture.probabilities = [float(value) for value in answer.probabilities]
        picture.heatmaps, picture.heatmap_peaks = answer.heatmap_strip()
        picture.unfamiliar = answer.unfamiliar
    with transaction.atomic():
        held = QuickLook.objects.filter(pk=look.pk).held_by(look.lease_token)
        if not held.finish(queue_time(), model_version=version):
            return  # its owner has left, or another worker has taken it over
        QuickLookPicture.objects.bulk_update(
            pictures,
            ["failure_code", "predicted_class", "confidence", "probabilities", "heatmaps",
             "heatmap_peaks", "unfamiliar"],
        )  # fmt: skip


def leave(*, look: QuickLook, visit: str) -> None:
    """The owner leaves a page: what is kept goes in a moment, unless a page is opened again.

    A browser tells of leaving in the background, so the word may come after the next page was
    asked for: it counts only from the page shown last.
    """
    soon = timezone.now() + timedelta(seconds=SECONDS_AFTER_LEAVING)
    if visit == str(look.visit):
        rows = QuickLook.objects.filter(pk=look.pk, visit=look.visit)
        rows.filter(expires_at__gt=soon).update(expires_at=soon)


def stay(*, look: QuickLook) -> None:
    """A page is opened: the full time since the look was started, and no more."""
    look.visit = uuid.uuid4()
    look.expires_at = look.queued_at + _minutes()
    look.save(update_fields=["visit", "expires_at"])


def discard(*, pk: uuid.UUID) -> None:
    """Delete a look with its pictures."""
    QuickLook.objects.filter(pk=pk).delete()


def purge(*, now: datetime | None = None) -> int:
    """Delete the looks whose time is up; returns how many rows went."""
    return int(QuickLook.objects.expired(now or queue_time()).delete()[0])


def add_to_case(*, look: QuickLook, case: SmearCase, user: User) -> list[FileAnswer]:
    """Send the look's pictures through the ordinary upload; the look goes unless one was refused.

    Raises:
        NotAllowed, Conflict: as :func:`cases.services.uploads.store_images`.
    """
    files = [SimpleUploadedFile(each.name, bytes(each.data)) for each in look.pictures.all()]
    answers = list(store_images(case=case, user=user, files=files))
    if not any(answer.outcome == REJECTED for answer in answers):
        discard(pk=look.pk)
    return answers


def waiting_exists(now: datetime | None = None) -> bool:
    """Whether a worker would find a look to answer."""
    now = now or queue_time()
    return bool(QuickLook.objects.alive(now).claimable(now).exists())


def _minutes() -> timedelta:
    return timedelta(minutes=settings.QUICK_LOOK_MINUTES)


def _end() -> datetime:
    return timezone.now() + _minutes()
