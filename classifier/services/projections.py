"""The projector's work: asking for a projection, computing it in a worker.

Row first, ring after the commit, lease, attempts, as for cells: docs/queue.md.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import time
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from PIL import Image, UnidentifiedImageError

from cases import failures
from cases.models import Cell
from cases.models.image import WorkState
from cases.services.doorbell import ring_task
from cases.services.errors import ServiceError
from classifier.clock import queue_time
from classifier.explain.labelled import labelled_cells
from classifier.fields.frames import picture_of
from classifier.models import ModelVersion, Prediction, Projection
from classifier.services import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cases.models import Laboratory, SmearCase, User
    from cases.querysets import CellQuerySet

logger = logging.getLogger(__name__)

# More points than this are neither fluid in a browser nor computed in minutes.
MOST = 10_000
LEAST = 10
NEIGHBOURS = 10
THUMBNAIL, THUMBNAIL_OF_MANY, MANY = 32, 24, 4096
ATLAS_QUALITY = 75


def cells_of(projection: Projection) -> CellQuerySet:
    """The cells a projection was asked of: those of its case, or uploaded in its month."""
    if projection.case_id is not None:
        return Cell.objects.of_case(projection.case_id).counted()
    if projection.month is None or projection.laboratory_id is None:
        return Cell.objects.none()
    zone = timezone.get_default_timezone()
    first = datetime(projection.month.year, projection.month.month, 1, tzinfo=zone)
    after = (projection.month.replace(day=1).toordinal()) + 32
    following = date.fromordinal(after).replace(day=1)
    last = datetime(following.year, following.month, 1, tzinfo=zone)
    return (
        Cell.objects.of_laboratories([projection.laboratory_id])
        .counted()
        .filter(created_at__gte=first, created_at__lt=last)
    )


def request_projection(
    *,
    user: User,
    source: str,
    method: str,
    seed: int = 42,
    case: SmearCase | None = None,
    laboratory: Laboratory | None = None,
    month: date | None = None,
) -> Projection:
    """Return the projection of these cells, a new one or that computed before.

    The caller has checked that the user may see the case or the laboratory.

    Raises:
        ServiceError: ``no_model``, ``no_test_set``, ``too_few_cells``.
    """
    wanted = Projection(
        source=source,
        method=method,
        seed=seed,
        case=case,
        laboratory=case.laboratory if case else laboratory,
        month=month.replace(day=1) if month else None,
        requested_by=user,
    )
    content = _content(wanted)
    with transaction.atomic():
        decided = (source, case and case.pk, wanted.laboratory_id, str(wanted.month), method, seed)
        text = repr((decided, wanted.model_version_id, content))
        wanted.key = hashlib.sha256(text.encode()).hexdigest()
        known = Projection.objects.select_for_update().filter(key=wanted.key).first()
        if known is None:
            wanted.save()
            known = wanted
        elif known.state == WorkState.FAILED:
            known.state, known.attempts, known.failure_code = WorkState.QUEUED, 0, ""
            known.save(update_fields=["state", "attempts", "failure_code"])
        if known.is_unfinished:
            transaction.on_commit(lambda: ring_task(settings.EXPLAIN_TASK))
    return known


def _content(wanted: Projection) -> str:
    """Choose the model and the cells; returns what changes when either does.

    Raises:
        ServiceError: as :func:`request_projection`.
    """
    if wanted.source == Projection.Source.TEST:
        version = ModelVersion.objects.active().first()
        if version is None:
            raise ServiceError("no_model", _("No model is active yet; try again in a moment."))
        cells = labelled_cells(version).get("test")
        if cells is None:
            raise ServiceError(
                "no_test_set",
                _("The bundle of the active model does not hold its test set."),
            )
        wanted.model_version = version
        wanted.total = len(cells)
        wanted.count = min(len(cells), MOST)
        return version.weights_sha256
    predictions = Prediction.objects.of_present_box().filter(cell__in=cells_of(wanted))
    newest = predictions.order_by("-id").first()
    keys: list[int] = []
    if newest is not None:
        wanted.model_version = newest.model_version
        of_model = predictions.filter(model_version_id=newest.model_version_id)
        keys = list(of_model.order_by("id").values_list("id", flat=True))
    if len(keys) < LEAST:
        raise ServiceError(
            "too_few_cells",
            _("There are %(count)s classified cells; a projection needs at least %(least)s.")
            % {"count": len(keys), "least": LEAST},
        )
    wanted.total, wanted.count = len(keys), min(len(keys), MOST)
    return hashlib.sha256(np.array(keys, "<i8").tobytes()).hexdigest()


@dataclass(frozen=True)
class _Gathered:
    """What a projection is computed from: n cells, their embeddings and their thumbnails."""

    keys: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    thumbnail: Callable[[int, int], NDArray[np.uint8]]


def run_waiting(*, should_stop: Callable[[], bool] = bool) -> int:
    """Compute the projections that wait; returns how many were finished, well or not."""
    finished = 0
    rows = Projection.objects.without_blobs()
    while not should_stop():
        leases.give_up(Projection.objects.all())
        projection = leases.claim_one(rows)
        if projection is None:
            break
        try:
            with leases.Heartbeat(partial(leases.renew, projection)):
                compute(projection)
        except Exception:
            logger.exception("Projection %s failed and is given back.", projection.pk)
            leases.give_back(projection, failure_code=failures.MODEL_ERROR)
        finished += 1
    return finished


def compute(projection: Projection) -> None:
    """Compute one claimed projection and store it, if the lease still is the caller's."""
    from ml.projection import nearest_neighbours, project

    started = time.perf_counter()
    _note(projection, 5)
    gathered = _gather(projection)
    _note(projection, 25)
    neighbours = nearest_neighbours(gathered.embeddings, count=NEIGHBOURS)
    _note(projection, 35)
    points = project(
        gathered.embeddings,
        method=projection.method,
        seed=projection.seed,
        report=lambda share: _note(projection, 35 + round(45 * share)),
    )
    _note(projection, 80)
    atlas, columns = _draw_atlas(gathered, projection)
    held = Projection.objects.filter(pk=projection.pk).held_by(projection.lease_token)
    held.finish(
        queue_time(),
        points=points.astype("<f4").tobytes(),
        cells=gathered.keys.astype("<i8").tobytes(),
        neighbours=neighbours.astype("<i4").tobytes(),
        atlas=atlas,
        atlas_columns=columns,
        count=len(gathered.keys),
        progress=100,
        seconds=time.perf_counter() - started,
        failure_code="",
    )


def _note(projection: Projection, progress: int) -> None:
    held = Projection.objects.filter(pk=projection.pk).held_by(projection.lease_token)
    held.update(progress=progress)


def _chosen(total: int, seed: int) -> NDArray[np.int64]:
    """Return the places shown: all, or an even random sample of :data:`MOST`."""
    if total <= MOST:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, MOST, replace=False))


def _gather(projection: Projection) -> _Gathered:
    if projection.source == Projection.Source.TEST:
        return _gather_test_set(projection)
    predictions = (
        Prediction.objects.of_present_box()
        .filter(cell__in=cells_of(projection), model_version_id=projection.model_version_id)
        .order_by("id")
    )
    keys = list(predictions.values_list("id", flat=True))
    wanted = {keys[place] for place in _chosen(len(keys), projection.seed)}
    cells, embeddings = [], []
    for pk, cell_id, data in predictions.values_list("id", "cell_id", "embedding").iterator():
        if pk in wanted:
            cells.append(cell_id)
            embeddings.append(np.frombuffer(bytes(data), "<f2"))
    crop = float(projection.model_version.manifest.get("crop", 1.0))
    array = np.array(cells, np.int64)
    return _Gathered(
        array,
        np.stack(embeddings).astype(np.float32),
        lambda place, side: _cell_thumbnail(int(array[place]), side, crop),
    )


def _gather_test_set(projection: Projection) -> _Gathered:
    cells = labelled_cells(projection.model_version).get("test")
    if cells is None:
        raise ServiceError("no_test_set", _("The bundle does not hold its test set."))
    from ml.references import place_in_atlas

    places = _chosen(len(cells), projection.seed)
    with Image.open(io.BytesIO(cells.atlas)) as image:
        sheet = image.convert("RGB")

    def thumbnail(place: int, side: int) -> NDArray[np.uint8]:
        left, top = place_in_atlas(int(places[place]), cells.side)
        tile = sheet.crop((left, top, left + cells.side, top + cells.side))
        return np.asarray(tile.resize((side, side), Image.Resampling.BILINEAR))

    return _Gathered(places, cells.embeddings[places].astype(np.float32), thumbnail)


def _cell_thumbnail(pk: int, side: int, crop: float) -> NDArray[np.uint8]:
    """Return the centre of a cell as the model saw it; grey when its file is gone."""
    from ml.preprocessing import prepare

    cell = Cell.objects.with_image().get(pk=pk)
    try:
        if cell.frame_side is not None:
            return prepare(picture_of(cell), size=side, crop=crop)
        with cell.image.file.open("rb") as file, Image.open(file) as image:
            # JPEGs are decoded at an eighth, a quarter or a half: much faster, and still enough.
            if (cell.width, cell.height) == image.size:
                image.draft("RGB", (round(2 * side / crop), round(2 * side / crop)))
                return prepare(image.convert("RGB"), size=side, crop=crop)
            box = (cell.left, cell.top, cell.left + cell.width, cell.top + cell.height)
            return prepare(image.convert("RGB").crop(box), size=side, crop=crop)
    except (FileNotFoundError, UnidentifiedImageError, ValueError):
        return np.full((side, side, 3), 128, np.uint8)


def _draw_atlas(gathered: _Gathered, projection: Projection) -> tuple[bytes, int]:
    """Draw the thumbnails as a square sheet, as the plot's textures must be."""
    total = len(gathered.keys)
    side = THUMBNAIL if total <= MANY else THUMBNAIL_OF_MANY
    columns = math.isqrt(total - 1) + 1
    sheet = np.zeros((columns * side, columns * side, 3), np.uint8)
    for place in range(total):
        row, column = divmod(place, columns)
        tile = gathered.thumbnail(place, side)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
        if place % 500 == 499:
            _note(projection, 80 + 19 * place // total)
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "JPEG", quality=ATLAS_QUALITY)
    return stream.getvalue(), columns


def waiting_exists(now: datetime | None = None) -> bool:
    """Whether a worker would find a projection to compute."""
    return bool(Projection.objects.claimable(now or queue_time()).exists())


def shown_values(projection: Projection) -> dict[str, Any]:
    """Return a computed projection's arrays."""
    kept = Projection.objects.values("points", "cells", "neighbours").get(pk=projection.pk)
    count = projection.count
    return {
        "points": np.frombuffer(bytes(kept["points"]), "<f4").reshape(count, 3),
        "cells": np.frombuffer(bytes(kept["cells"]), "<i8"),
        "neighbours": np.frombuffer(bytes(kept["neighbours"]), "<i4").reshape(count, -1),
    }
