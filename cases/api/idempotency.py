"""``Idempotency-Key``: a repeated request is answered, not carried out, a second time."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from cases.api.problems import CONTENT_TYPE, ProblemResponse
from cases.models import IdempotentAnswer
from cases.services.errors import Conflict, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
# Visible ASCII: what a header can hold without doubt.
KEY = re.compile(r"[\x21-\x7e]{1,200}")
ANSWERS_ARE_KEPT = timedelta(hours=24)
# After this long without an answer the process that began must have died.
ABANDONED_AFTER = timedelta(minutes=10)


class KeyRefused(ServiceError):
    """The key stands for another request."""

    status = 422


def answer_once(request: Any, carry_out: Callable[[], Response], *, atomic: bool) -> Response:
    """Carry out a request unless its key has been answered before.

    Without the header the request is simply carried out. An error that ends the request keeps
    nothing, so the same key may be used again.

    Args:
        request: the REST framework request, its body parsed.
        carry_out: does the work and makes the answer.
        atomic: keep the work and its answer in one transaction, so that a crash leaves both or
            neither. Without it ``carry_out`` must itself bear being repeated after a crash.

    Raises:
        ServiceError: ``idempotency_key_invalid``.
        KeyRefused: ``idempotency_key_reused``.
        Conflict: ``idempotency_key_in_use`` while the first request is still running.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return carry_out()
    if not KEY.fullmatch(key):
        raise ServiceError(
            "idempotency_key_invalid",
            _("The Idempotency-Key must be 1 to 200 visible ASCII characters."),
        )
    kept, begun_at = _begin(request, key)
    if begun_at is None:
        return _again(kept)
    mine = IdempotentAnswer.objects.filter(pk=kept.pk, created_at=begun_at, status=None)
    try:
        with transaction.atomic() if atomic else nullcontext():
            response = carry_out()
            body = json.loads(json.dumps(response.data, cls=JSONEncoder))
            mine.update(status=response.status_code, body=body)
    except BaseException:
        mine.delete()
        raise
    return response


def _again(kept: IdempotentAnswer) -> Response:
    """The first answer once more, a problem as a problem."""
    headers = {REPLAYED: "true"}
    if kept.status is not None and kept.status >= 400:
        return ProblemResponse(
            kept.body, status=kept.status, content_type=CONTENT_TYPE, headers=headers
        )
    return Response(kept.body, status=kept.status, headers=headers)


def _begin(request: Any, key: str) -> tuple[IdempotentAnswer, datetime | None]:
    """Take the key, or find what was answered; the time is that of the taking, if it was taken."""
    now = timezone.now()
    mine = IdempotentAnswer.objects.filter(user=request.user)
    fingerprint = _fingerprint(request)
    path = request.path[: IdempotentAnswer._meta.get_field("path").max_length]
    try:
        # What is too old goes in the same transaction: SQLite lets one writer in at a time.
        with transaction.atomic():
            mine.filter(created_at__lt=now - ANSWERS_ARE_KEPT).delete()
            taken = IdempotentAnswer.objects.create(
                user=request.user, key=key, path=path, fingerprint=fingerprint
            )
        return taken, taken.created_at
    except IntegrityError:
        kept = mine.filter(key=key, path=path).first()
    if kept is None:  # its first request failed at this very moment
        raise _in_use()
    if kept.fingerprint != fingerprint:
        raise KeyRefused(
            "idempotency_key_reused",
            _("This Idempotency-Key belongs to another request; use a new key."),
        )
    if kept.status is not None:
        return kept, None
    abandoned = mine.filter(pk=kept.pk, status=None, created_at__lt=now - ABANDONED_AFTER)
    if abandoned.update(created_at=now):
        return kept, now
    raise _in_use()


def _in_use() -> Conflict:
    return Conflict(
        "idempotency_key_in_use",
        _("The first request with this Idempotency-Key is still running; ask again shortly."),
    )


def _fingerprint(request: Any) -> str:
    """SHA-256 of what the request says: method, fields, and names and content of files."""
    digest = hashlib.sha256(request.method.encode())
    files: Any = getattr(request, "FILES", None) or {}
    if hasattr(request.data, "lists"):
        fields: Any = [
            (name, [str(each) for each in values])
            for name, values in sorted(request.data.lists())
            if name not in files
        ]
    else:
        fields = request.data
    digest.update(json.dumps(fields, sort_keys=True, default=str).encode())
    for name in sorted(files):
        for file in files.getlist(name):
            content = hashlib.sha256()
            for chunk in file.chunks():
                content.update(chunk)
            file.seek(0)
            digest.update(json.dumps([name, file.name, content.hexdigest()]).encode())
    return digest.hexdigest()
