"""Ring the worker after a commit. The database holds the work; a lost ring costs only time."""

from __future__ import annotations

import logging

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def ring_after_commit() -> None:
    """Ask the worker to look for queued cells once the current transaction is committed."""
    transaction.on_commit(ring)


def ring() -> None:
    """Ring for queued cells now."""
    ring_task(settings.CLASSIFY_TASK)


def ring_task(name: str) -> None:
    """Ring a task now. A broker that is away is logged, never raised: the sweep rings again."""
    try:
        current_app.send_task(name)
    except OperationalError as error:
        logger.warning("The broker could not be reached (%s); the sweep will ring again.", error)
