"""Searching fields for cells: claim one, detect, store it whole, until no field waits."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from django.db import transaction

from cases import failures
from cases.models import Box, CaseImage
from cases.models.image import WorkState
from cases.services.doorbell import ring_after_commit
from cases.services.errors import Conflict
from cases.services.searches import FoundCell, fail_search, set_kind, store_found
from classifier.clock import queue_time
from classifier.fields.detectors import ensure_detector, reader_for
from classifier.fields.frames import KINDS
from classifier.fields.models import DetectorVersion, FieldRun
from classifier.fields.querysets import unsearched_fields
from classifier.fields.sources import source_of
from classifier.services import leases
from ml.detection.cutting import FRAME_IN_RED_CELLS, SHARES, frame_side
from ml.detection.scale import red_cell_diameter
from ml.manifest import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from classifier.fields.detectors import FieldReader, Search
    from ml.detection.detector import Detection as Found

logger = logging.getLogger(__name__)
# Searches made in one go, as of classification jobs.
ENQUEUE_LIMIT = 500
# An image whose area is at least this many frames of a cell shows a field (those of BCCD: 1.4).
FRAMES_IN_A_FIELD = 1.25


class LeaseLost(Exception):
    """Another worker took the field over, or it is searched no more."""


def work_exists() -> bool:
    """Whether a field waits that a worker would find now: one query."""
    return DetectorVersion.objects.active().with_work(queue_time()).exists()


def search_next(
    *,
    reader: FieldReader | None = None,
    now: datetime | None = None,
    give_way: Callable[[], object] = bool,
) -> bool:
    """Search the field that waits longest; one query when none waits at ``now``.

    A bundle that cannot be used is logged: fields stay queued, and everything else goes on.

    Args:
        reader: used instead of the active detector's own, for tests.
        give_way: called between the windows of a field, for what others wait for meanwhile.

    Returns:
        Whether anything was done.

    Raises:
        Exception: whatever broke the detector, after the field was given back with a pause.
    """
    version = DetectorVersion.objects.active().with_work(now or queue_time()).first()
    if version is None:
        return False
    try:
        reader = reader or reader_for(version)
    except BundleError as error:
        logger.error("No field can be searched; all of them stay queued. %s", error)
        return False
    made = _make_missing(version)
    run = _claim(version)
    if run is None:
        return bool(_give_up(version) or made)
    _search(run, reader, give_way)
    return True


def _make_missing(version: DetectorVersion) -> int:
    """Make the searches that queued fields have none of; those that ended before begin anew."""
    FieldRun.objects.left_behind(version, queue_time()).delete()
    keys = list(
        unsearched_fields(version.pk).order_by("pk").values_list("pk", flat=True)[:ENQUEUE_LIMIT]
    )
    FieldRun.objects.bulk_create(
        [FieldRun(image_id=pk, detector=version) for pk in keys], ignore_conflicts=True
    )
    FieldRun.objects.filter(detector=version, image__in=keys).queue_again()
    return len(keys)


def _claim(version: DetectorVersion) -> FieldRun | None:
    run: FieldRun | None = leases.claim_one(FieldRun.objects.filter(detector=version))
    if run is not None:
        images = CaseImage.objects.unsearched().filter(pk=run.image_id)
        images.update(state=WorkState.PROCESSING, search_progress=0)
    return run


def _give_up(version: DetectorVersion) -> int:
    """Fail the searches whose last attempt ended with the worker's death."""
    rows = FieldRun.objects.filter(detector=version)
    now = queue_time()
    dead = list(rows.deserted(now).values_list("pk", flat=True))
    with transaction.atomic():
        given_up = leases.give_up(rows, now=now)
        failed = FieldRun.objects.filter(pk__in=dead, state=WorkState.FAILED)
        for image_id in failed.values_list("image_id", flat=True):
            fail_search(image_id=image_id, failure_code=failures.WORKER_DIED)
            logger.error("Field %s is given up: the worker died each time.", image_id)
    return given_up


def _search(run: FieldRun, reader: FieldReader, give_way: Callable[[], object]) -> None:
    """Search one claimed field; no transaction is open meanwhile."""
    image = CaseImage.objects.select_related("case").get(pk=run.image_id)
    scale = image.case.micrometres_per_pixel
    with leases.Heartbeat(partial(leases.renew, run)):
        started = time.perf_counter()
        try:
            with source_of(image) as source:
                found = reader.search(
                    source,
                    micrometres_per_pixel=None if scale is None else float(scale),
                    progress=partial(_progress, run, give_way),
                )
        except FileNotFoundError:
            _fail(run, failures.FILE_MISSING)
        except ValueError as error:
            logger.warning("Field %s cannot be read: %s", run.image_id, error)
            _fail(run, failures.UNDECODABLE)
        except LeaseLost:
            logger.warning("The search of field %s was taken over.", run.image_id)
        except Exception as error:
            logger.exception("The search of field %s failed and is given back.", run.image_id)
            storage = isinstance(error, OSError)
            _give_back(run, failures.FILE_UNREADABLE if storage else failures.MODEL_ERROR)
            raise
        else:
            milliseconds = (time.perf_counter() - started) * 1000
            _store(run, found, device=reader.device, milliseconds=milliseconds)


def _progress(run: FieldRun, give_way: Callable[[], object], share: float) -> None:
    """Tell how far the search is, prolong its lease, and give way; stop it when the lease is lost.

    The heartbeat alone would end after its limit, in the middle of a field of 500 megapixels: a
    search that comes on does not hang.

    Raises:
        LeaseLost: when another worker has the field.
    """
    if not leases.renew(run):
        raise LeaseLost
    images = CaseImage.objects.unsearched().filter(pk=run.image_id)
    images.update(search_progress=min(99, int(share * 100)))
    if share < 1:
        give_way()


def _store(run: FieldRun, found: Search, *, device: str, milliseconds: float) -> None:
    """Store a searched field in one transaction, as far as the lease still is ours."""
    with transaction.atomic():
        held = FieldRun.objects.filter(pk=run.pk).held_by(run.lease_token)
        if not held.select_for_update().exists():
            logger.warning("Field %s was taken over meanwhile; dropped.", run.image_id)
            return
        image = CaseImage.objects.select_for_update(of=("self",)).get(pk=run.image_id)
        unsure = image.kind_source == CaseImage.KindSource.UNSURE
        try:
            if unsure and _shows_one_cell(image, found.cells):
                set_kind(
                    image,
                    CaseImage.Kind.SINGLE_CELL,
                    source=CaseImage.KindSource.MEASURED,
                )
                ring_after_commit()
            else:
                store_found(image_id=image.pk, found=as_rows(image, found.cells))
        except Conflict:
            logger.warning("The case of field %s is signed; nothing is added.", run.image_id)
        held.finish(
            queue_time(),
            zoom=found.zoom,
            zoom_measured=found.zoom_measured,
            cells=len(found.cells),
            device=device[:120],
            milliseconds=milliseconds,
        )


def as_rows(image: CaseImage, cells: Sequence[Found]) -> list[FoundCell]:
    """The detector's cells in whole pixels within the image, in reading order, with frames."""
    rows = []
    for cell in cells:
        left, top = (max(0, int(np.floor(value))) for value in (cell.left, cell.top))
        right = min(image.width, int(np.ceil(cell.left + cell.width)))
        bottom = min(image.height, int(np.ceil(cell.top + cell.height)))
        if right <= left or bottom <= top:
            continue
        named = cell.cell_class in SHARES
        rows.append(
            FoundCell(
                kind=KINDS[cell.cell_class],
                box=Box(left, top, right - left, bottom - top),
                score=cell.score,
                edges=tuple(cell.edges),
                frame_side=max(2, round(frame_side(cells, cell))) if named else None,
            )
        )
    return rows


def _shows_one_cell(image: CaseImage, cells: Sequence[Found]) -> bool:
    """Whether an image is as a photo of one cell: hardly larger than a frame, one white cell."""
    red = red_cell_diameter(cells)
    white = sum(cell.cell_class == "wbc" for cell in cells)
    if red is None or white > 1:
        return False
    frame = red * FRAME_IN_RED_CELLS
    return image.width * image.height < FRAMES_IN_A_FIELD * frame**2


def _give_back(run: FieldRun, code: str) -> None:
    with transaction.atomic():
        leases.give_back(run, failure_code=code)
        if FieldRun.objects.filter(pk=run.pk, state=WorkState.FAILED).exists():
            fail_search(image_id=run.image_id, failure_code=code)
        else:
            images = CaseImage.objects.unsearched().filter(pk=run.image_id)
            images.update(state=WorkState.QUEUED, search_progress=0)


def _fail(run: FieldRun, code: str) -> None:
    with transaction.atomic():
        held = FieldRun.objects.filter(pk=run.pk).held_by(run.lease_token)
        if held.fail(code, queue_time()):
            fail_search(image_id=run.image_id, failure_code=code)


def start_up() -> None:
    """Make the shipped detector known; it is loaded when the first field waits."""
    try:
        ensure_detector()
    except BundleError as error:
        logger.error("No field can be searched. %s", error)
