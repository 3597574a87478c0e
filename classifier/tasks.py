"""Celery's side: rings arrive here. All work and all truth is in the services and the database."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from cases.services.doorbell import ring, ring_task
from cases.services.errors import ServiceError
from cases.services.range_flags import refresh_range_flags
from cases.services.storage_sweep import remove_leftovers, report_to_administrators
from cases.services.work_order import mend_work_order
from classifier.clock import queue_time
from classifier.inference import BundleError
from classifier.models import ModelRun, ModelVersion
from classifier.operations import recording
from classifier.privacy import retention
from classifier.services import projections, queue, quick_looks, searches, tiles, work
from classifier.services.registry import ensure_model
from classifier.services.storage import look_through_storage

logger = logging.getLogger(__name__)

# A run leaves after this long and rings for the rest, so that other tasks get their turn.
RUN_SECONDS = 60.0
_leaving = threading.Event()


@shared_task(throws=(BundleError, ServiceError))
def classify_pending() -> None:
    """Classify what waits. A ring too many ends after one query."""
    deadline = time.monotonic() + RUN_SECONDS
    try:
        work.run_pending(
            should_stop=lambda: _leaving.is_set() or time.monotonic() > deadline,
            give_way=_give_way,
        )
    except (BundleError, ServiceError) as error:
        _tell_why(error)
        raise
    if time.monotonic() > deadline:
        ring()


def _give_way() -> None:
    """Do what others wait for between two windows of a search: a minute or half a lease at most.

    A field of 500 megapixels is searched for half an hour. Its picture, other people's cells and
    quick looks do not wait that long where there is one worker. What goes wrong with them is told
    with them; the search goes on.
    """
    deadline = time.monotonic() + min(RUN_SECONDS, settings.CLASSIFY_LEASE_SECONDS / 2)

    def should_stop() -> bool:
        return _leaving.is_set() or time.monotonic() > deadline

    for turn in (quick_looks.answer_waiting, work.name_waiting, tiles.build_waiting):
        try:
            turn(should_stop=should_stop)
        except (BundleError, ServiceError) as error:
            _tell_why(error)
        except Exception:
            logger.exception("What waited during a search failed; the search goes on.")


@shared_task(throws=(BundleError, ServiceError))
def explain_pending() -> None:
    """Answer quick looks, whose owners wait before the page, then compute projections.

    A projection takes minutes at most; between two of them cells that wait get their turn.
    """
    deadline = time.monotonic() + RUN_SECONDS
    try:
        quick_looks.answer_waiting(should_stop=_leaving.is_set)
    except (BundleError, ServiceError) as error:
        _tell_why(error)
        raise
    projections.run_waiting(
        should_stop=lambda: (
            _leaving.is_set() or time.monotonic() > deadline or quick_looks.waiting_exists()
        )
    )
    if projections.waiting_exists() or quick_looks.waiting_exists():
        ring_task(settings.EXPLAIN_TASK)


@shared_task
def build_tiles() -> None:
    """Cut large fields into tiles; leaves after a minute and rings for the rest."""
    deadline = time.monotonic() + RUN_SECONDS
    tiles.build_waiting(should_stop=lambda: _leaving.is_set() or time.monotonic() > deadline)
    if not _leaving.is_set() and time.monotonic() > deadline:
        ring_task(settings.TILE_TASK)


@shared_task(throws=(BundleError, ServiceError), expires=max(settings.SWEEP_SECONDS, 10))
def sweep() -> None:
    """Mend states a crash left behind and ring while anything waits."""
    try:
        ensure_model()  # the bundle may have been put in its place after the worker started
    except (BundleError, ServiceError) as error:
        _tell_why(error)
        raise
    searches.start_up()
    queue.repair()
    recording.fold_past()
    quick_looks.purge()
    refresh_range_flags(should_stop=_leaving.is_set)
    now = queue_time()
    waiting = ModelVersion.objects.active().with_work(now), ModelRun.objects.with_work(now)
    if any(each.exists() for each in waiting) or searches.work_exists():
        ring()
    if quick_looks.waiting_exists() or projections.waiting_exists():
        ring_task(settings.EXPLAIN_TASK)
    if tiles.waiting_exists():
        ring_task(settings.TILE_TASK)


@shared_task
def sweep_storage() -> None:
    """Compare files and rows, and tell the administrators what does not agree.

    What rows say of each other is looked through as well.
    """
    remove_leftovers()
    report_to_administrators(look_through_storage())
    mend_work_order()


@shared_task
def apply_retention() -> None:
    """Let go what the laboratories' rules let go; a laboratory without a rule keeps all."""
    retention.apply_to_all()


@worker_ready.connect
def prepare_worker(**kwargs: Any) -> None:
    """Load the model before the first ring is answered, then look for work left from before."""
    close_old_connections()
    recording.start(str(getattr(kwargs.get("sender"), "hostname", "worker")))
    try:
        work.start_up()
    except (BundleError, ServiceError) as error:
        _tell_why(error)
    except DatabaseError:
        # Not migrated yet, or away: every ring tries again.
        logger.exception("The worker could not read the model versions.")
    finally:
        close_old_connections()
    ring()
    ring_task(settings.TILE_TASK)


@worker_shutting_down.connect
def leave(**kwargs: Any) -> None:
    """Finish the batch in work, claim no other."""
    _leaving.set()


@worker_shutdown.connect
def left(**kwargs: Any) -> None:
    """Say on the administrators' page that it left in good order."""
    recording.stop()


def _tell_why(error: BundleError | ServiceError) -> None:
    reason = error.message if isinstance(error, ServiceError) else error
    logger.error("No cell can be classified; all of them stay queued. %s", reason)
