"""The work on tile pyramids: asking for them, making them in a worker, trying again.

Row first, lease, attempts, as for cells: docs/queue.md. A worker leaves a large image after a
minute and comes back to it, so that cells that wait get their turn.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F

from cases import failures
from cases.models import CaseImage
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.doorbell import ring_task
from classifier.clock import queue_time
from classifier.fields.sources import source_of
from classifier.services import leases
from classifier.tiles.models import TilePyramid, fields_without_pyramid
from classifier.tiles.pyramid import build, count_tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from cases.models import User
    from classifier.tiles.pyramid import TileStore

logger = logging.getLogger(__name__)

ENQUEUE_LIMIT = 200


class StoredTiles:
    """A pyramid's tiles in the file storage."""

    def __init__(self, pyramid: TilePyramid) -> None:
        self._pyramid = pyramid

    def read(self, level: int, x: int, y: int) -> bytes:
        with default_storage.open(self._pyramid.tile_name(level, x, y), "rb") as file:
            data: bytes = file.read()
        return data

    def write(self, level: int, x: int, y: int, data: bytes) -> None:
        name = self._pyramid.tile_name(level, x, y)
        if default_storage.exists(name):  # an earlier attempt's, perhaps half written
            default_storage.delete(name)
        stored = default_storage.save(name, ContentFile(data))
        if stored != name:  # another worker was a moment faster with the same tile
            default_storage.delete(stored)


def enqueue_missing() -> int:
    """Make rows for large fields that have none yet; returns how many."""
    images = list(fields_without_pyramid().order_by("pk")[:ENQUEUE_LIMIT])
    rows = [
        TilePyramid(
            image=image,
            folder=f"cases/{image.case_id}/tiles/{uuid.uuid4().hex}",
            tiles_total=count_tiles(image.width, image.height),
        )
        for image in images
    ]
    TilePyramid.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def build_waiting(*, should_stop: Callable[[], bool] = bool) -> int:
    """Make tiles for whatever waits; returns how many pyramids were finished, well or not.

    Args:
        should_stop: asked after every row of tiles; what is made by then is kept.
    """
    finished = 0
    enqueue_missing()
    leases.give_up(TilePyramid.objects.all())
    while not should_stop():
        pyramid = leases.claim_one(TilePyramid.objects.select_related("image"))
        if pyramid is None:
            break
        try:
            finished += _build(pyramid, should_stop)
        except FileNotFoundError:
            logger.warning("The file of image %s is missing.", pyramid.image_id)
            _fail(pyramid, failures.FILE_MISSING)
            finished += 1
        except OSError:
            logger.exception("The storage failed on the tiles of image %s.", pyramid.image_id)
            leases.give_back(pyramid, failure_code=failures.FILE_UNREADABLE)
        except ValueError:
            logger.exception("Image %s cannot be cut into tiles.", pyramid.image_id)
            _fail(pyramid, failures.UNDECODABLE)
            finished += 1
        except Exception:
            logger.exception("The tiles of image %s failed.", pyramid.image_id)
            leases.give_back(pyramid, failure_code=failures.TILES_FAILED)
    return finished


def _build(
    pyramid: TilePyramid, should_stop: Callable[[], bool], store: TileStore | None = None
) -> bool:
    """Go on with a pyramid until it is done, its lease is lost or the worker has to leave."""
    rows = TilePyramid.objects.filter(pk=pyramid.pk).held_by(pyramid.lease_token)
    with source_of(pyramid.image) as source:
        for tiles in build(source, store or StoredTiles(pyramid), done=pyramid.rows_done):
            if not rows.renew(
                queue_time(), rows_done=F("rows_done") + 1, tiles_done=F("tiles_done") + tiles
            ):
                return False  # another worker has taken it over
            if should_stop():
                # Leaving in good order is no failed attempt.
                again = {"attempts": F("attempts") - 1, "lease_token": None}
                rows.update(state=WorkState.QUEUED, lease_expires_at=None, **again)
                return False
    return bool(rows.finish(queue_time()))


def _fail(pyramid: TilePyramid, code: str) -> None:
    held = TilePyramid.objects.filter(pk=pyramid.pk).held_by(pyramid.lease_token)
    held.fail(code, queue_time())


def retry(*, user: User, image: CaseImage) -> bool:
    """Put a failed pyramid back into the queue with fresh attempts; false when it has not failed.

    Raises:
        NotAllowed: when the user may not upload to the case's laboratory.
    """
    require(user, Action.UPLOAD, image.case.laboratory_id)
    with transaction.atomic():
        failed = TilePyramid.objects.filter(image=image, state=WorkState.FAILED)
        again = failed.begin_anew()
        transaction.on_commit(lambda: ring_task(settings.TILE_TASK))
    return bool(again)


def waiting_exists() -> bool:
    """Whether a worker would find tiles to make."""
    now = queue_time()
    waiting = TilePyramid.objects.claimable(now)
    return waiting.exists() or fields_without_pyramid().exists()
