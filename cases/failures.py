"""Why a cell could not be classified: codes kept in the database, sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

UNDECODABLE = "undecodable"
FILE_MISSING = "file_missing"
FILE_UNREADABLE = "file_unreadable"
WORKER_DIED = "worker_died"
MODEL_ERROR = "model_error"
NOT_STORED = "not_stored"
TILES_FAILED = "tiles_failed"

MESSAGES: dict[str, _StrPromise] = {
    UNDECODABLE: _("The image could not be decoded. Upload it again from its source."),
    FILE_MISSING: _("The image file is missing from the storage. Upload it again."),
    FILE_UNREADABLE: _(
        "The storage did not hand out the image file. Ask the administrator to check it, then "
        "retry."
    ),
    WORKER_DIED: _(
        "The worker stopped several times while working on this image. Retry, or replace the "
        "image if it happens again."
    ),
    MODEL_ERROR: _(
        "The model failed on this image several times. Ask the administrator to look into the "
        "worker's log, then retry."
    ),
    NOT_STORED: _(
        "The model's answer could not be stored several times. Ask the administrator to check the "
        "database and its disk, then retry."
    ),
    TILES_FAILED: _(
        "The image could not be prepared for the viewer. Ask the administrator to look into the "
        "worker's log, then retry."
    ),
}
UNKNOWN = _("The image could not be classified. Retry, or ask the administrator.")


def failure_message(code: str) -> _StrPromise | str:
    """Return the sentence for a failure code; nothing for no failure."""
    return MESSAGES.get(code, UNKNOWN) if code else ""
