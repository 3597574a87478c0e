"""The cells of a field as compact rows, as the viewer's scripts read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q
from django.utils.translation import gettext as _

from cases.failures import failure_message
from cases.models import Cell, Detection, Exclusion
from cases.models.image import WorkState
from cases.services.errors import ServiceError
from classifier.tiles.models import needs_tiles

if TYPE_CHECKING:
    from cases.field_querysets import DetectionQuerySet
    from cases.models import CaseImage

# With more cells than this a field's rows come by the rectangle in sight.
MOST_BOXES = 5000
KINDS = (Detection.Kind.WHITE_CELL, Detection.Kind.PLATELET, Detection.Kind.RED_CELL)
EXCLUSIONS = (
    Exclusion.NONE,
    Exclusion.BORDER,
    Exclusion.REMOVED,
    Exclusion.DUPLICATE,
    Exclusion.OTHER_KIND,
)
EDGES = ("left", "top", "right", "bottom")
WORK = {WorkState.QUEUED: 0, WorkState.PROCESSING: 0, WorkState.DONE: 1, WorkState.FAILED: 2}
REVIEWS = (
    Cell.ReviewState.UNREVIEWED,
    Cell.ReviewState.NEEDS_REVIEW,
    Cell.ReviewState.CONFIRMED,
    Cell.ReviewState.CORRECTED,
)
COLUMNS = (
    "id", "number", "kind", "left", "top", "width", "height", "excluded", "source", "cut_edges",
    "duplicate_of", "version", "cell", "cell__number", "cell__label__order", "cell__state",
    "cell__review_state", "cell__confidence",
)  # fmt: skip


def compact(row: tuple[Any, ...]) -> list[Any]:
    """One cell of a field: numbers for words, since thousands of them travel.

    Key, number in the field, kind, left, top, width, height, why it does not count, whether a
    reviewer drew it, the edges that cut it as bits, the key of the one it is a duplicate of or 0,
    version, and the cell of the case: key, number, place of its class or 0, work, review,
    confidence; or 0.
    """
    (key, number, kind, left, top, width, height, excluded, source, edges, duplicate_of, version,
     cell, cell_number, order, state, review, confidence) = row  # fmt: skip
    cut = edges.split(",") if edges else []
    of_case = 0 if cell is None else [
        cell,
        cell_number,
        order or 0,
        WORK[state],
        REVIEWS.index(review),
        None if confidence is None else round(confidence, 5),
    ]  # fmt: skip
    return [
        key,
        number,
        KINDS.index(kind),
        left,
        top,
        width,
        height,
        EXCLUSIONS.index(excluded),
        int(source == Detection.Source.REVIEWER),
        sum(1 << EDGES.index(edge) for edge in cut),
        duplicate_of or 0,
        version,
        of_case,
    ]


def read_rectangle(text: str) -> tuple[int, int, int, int] | None:
    """Read "left,top,right,bottom" in pixels of the image; None when nothing is said.

    Raises:
        ServiceError: ``invalid_rectangle``.
    """
    if not text:
        return None
    try:
        left, top, right, bottom = (int(each) for each in text.split(","))
    except ValueError:
        left = top = right = bottom = 2**31
    if max(map(abs, (left, top, right, bottom))) >= 2**31:
        raise ServiceError("invalid_rectangle", _("Reload the page: this place is unknown."))
    return left, top, right, bottom


def groups_of(detections: DetectionQuerySet) -> tuple[list[list[Any]], int, int]:
    """How many cells are under each switch, how many there are, how many the model has yet to see.

    A switch is the place of a class, a kind whose cells have no name, or ``excluded``.
    """
    tally: dict[str, int] = {}
    waiting = 0
    rows = detections.order_by().values("kind", "excluded", "cell__label__order", "cell__state")
    for row in rows.annotate(cells=Count("id")):
        if row["excluded"]:
            group = "excluded"
        elif row["cell__label__order"]:
            group = str(row["cell__label__order"])
        else:
            group = str(row["kind"])
        tally[group] = tally.get(group, 0) + row["cells"]
        if not row["excluded"] and row["cell__state"] in (WorkState.QUEUED, WorkState.PROCESSING):
            waiting += row["cells"]
    last = [*(str(kind) for kind in KINDS), "excluded"]
    named = sorted((each for each in tally if each not in last), key=int)
    ordered = [*named, *(each for each in last if each in tally)]
    return [[group, tally[group]] for group in ordered], sum(tally.values()), waiting


def boxes_answer(
    *,
    image: CaseImage,
    may: bool,
    since: int | None,
    rectangle: tuple[int, int, int, int] | None,
    kind: str = "",
) -> dict[str, Any]:
    """What the viewer asks for every few seconds: at most three queries.

    Args:
        image: the field, with its case and its pyramid.
        may: whether the reader may change its cells.
        since: the case's revision the reader knows the field up to; None for all of it.
        rectangle: what is in sight, for a field with very many cells.
        kind: of the cells wanted; all when empty.
    """
    revision = image.case.revision
    known: dict[str, Any] = {
        "revision": revision,
        "may": may,
        "state": {"picture": picture_state(image), "search": search_state(image)},
    }
    if since == revision:
        return known | {"unchanged": True, "boxes": []}
    detections = Detection.objects.filter(image=image)
    groups, total, waiting = groups_of(detections)
    partial = total > MOST_BOXES
    if partial:
        rows = in_rectangle(detections, rectangle)
    elif since is not None:
        rows = detections.filter(Q(revision__gt=since) | Q(cell__revision__gt=since))
    else:
        rows = detections
    if kind:
        rows = rows.filter(kind=kind)
    # White cells and platelets before the many red ones, should there be too many in sight.
    order = (F("cell").asc(nulls_last=True), "number") if partial else ("number",)
    return known | {
        "groups": groups,
        "total": total,
        "waiting": waiting,
        "partial": partial,
        "boxes": [compact(row) for row in rows.order_by(*order).values_list(*COLUMNS)[:MOST_BOXES]],
    }


def in_rectangle(
    detections: DetectionQuerySet, rectangle: tuple[int, int, int, int] | None
) -> DetectionQuerySet:
    """The cells that a rectangle of the image touches; all without one."""
    if rectangle is None:
        return detections
    left, top, right, bottom = rectangle
    return detections.annotate(right=F("left") + F("width"), bottom=F("top") + F("height")).filter(
        left__lte=right, top__lte=bottom, right__gte=left, bottom__gte=top
    )


def search_state(image: CaseImage) -> dict[str, Any]:
    """How far the search for cells has come."""
    if image.searched_at is not None:
        return {"state": WorkState.DONE, "progress": 100}
    if image.state == WorkState.FAILED:
        return {
            "state": WorkState.FAILED,
            "progress": 0,
            "failure": str(failure_message(image.failure_code)),
        }
    return {"state": WorkState.PROCESSING, "progress": image.search_progress}


def picture_state(image: CaseImage) -> dict[str, Any]:
    """Whether the picture can be shown: at once, or when its tiles are made."""
    if not needs_tiles(image):
        return {"state": WorkState.DONE, "progress": 100}
    pyramid = getattr(image, "pyramid", None)
    if pyramid is None:
        return {"state": WorkState.QUEUED, "progress": 0}
    return {
        "state": pyramid.state,
        "progress": pyramid.progress,
        "failure": str(failure_message(pyramid.failure_code)),
    }
