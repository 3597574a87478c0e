"""The review workspace of a case: what its scripts start with, and its cells as compact rows."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.http import JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.gzip import gzip_page

from cases.models import Cell, CellClass, CorrectionBatch
from cases.models.image import WorkState
from cases.querysets import UNNAMED_RANK
from cases.services.corrections import COMMENT_MAX_LENGTH
from cases.services.errors import ServiceError
from cases.services.flags import NOTE_MAX_LENGTH
from cases.views.base import PageMixin
from cases.views.workspace_texts import texts

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SmearCase, User
    from cases.querysets import CellQuerySet
    from cases.services.counts import CaseCounts

SEED_CELLS = 120
CELLS_PER_ANSWER = 2000
STEPS_KEPT = 20
POLL_MILLISECONDS = 3000

# A letter beside the digit of the first nine; h, u, f and c are commands.
LETTERS = {
    "neutrophil": "n",
    "eosinophil": "e",
    "basophil": "b",
    "lymphocyte": "l",
    "monocyte": "m",
    "ig": "i",
    "erythroblast": "r",
    "platelet": "p",
    "blast": "t",
    "smudge": "s",
    "artefact": "a",
    "other": "o",
    "unidentified": "x",
}
# Here, and those that move in a blinded reading: a class has the same keys in both.
COMMAND_LETTERS = frozenset("hufcgjk")
FREE_LETTERS = "bdeilmnopqrstvwxyza"

SOURCES = {"": 0, Cell.LabelSource.MODEL: 1, Cell.LabelSource.REVIEWER: 2}
REVIEWS = {
    Cell.ReviewState.UNREVIEWED: 0,
    Cell.ReviewState.NEEDS_REVIEW: 1,
    Cell.ReviewState.CONFIRMED: 2,
    Cell.ReviewState.CORRECTED: 3,
}
WORK = {WorkState.QUEUED: 0, WorkState.PROCESSING: 0, WorkState.DONE: 1, WorkState.FAILED: 2}
COLUMNS = (
    "id", "number", "class_rank", "label_source", "review_state", "confidence", "state", "version",
    "unfamiliar", "flagged", "excluded", "confidence_rank",
)  # fmt: skip


def class_keys(classes: list[CellClass]) -> dict[str, list[str]]:
    """The keys that name each class: digits for the first nine, a letter of its own for all."""
    keys: dict[str, list[str]] = {}
    taken = set(COMMAND_LETTERS)
    for each in classes:
        if each.code in LETTERS:
            taken.add(LETTERS[each.code])
    for position, each in enumerate(classes, start=1):
        letter = LETTERS.get(each.code)
        if letter is None:
            free = (each.code + FREE_LETTERS).lower()
            letter = next((c for c in free if c.isascii() and c.isalpha() and c not in taken), "")
            taken.add(letter)
        digit = str(position) if position <= 9 else ""
        keys[each.code] = [key for key in (digit, letter) if key]
    return keys


def compact(row: tuple[Any, ...]) -> list[Any]:
    """One cell as the scripts read it: numbers for words, since ten thousand of them travel.

    Key, number, place of its class (0 without one), source, review, confidence (``None`` without
    one), work, version, and marks: 1 unfamiliar, 2 flagged, 4 not counted.
    """
    key, number, rank, source, review, confidence, state, version, *marks, _rank = row
    unfamiliar, flagged, excluded = marks
    return [
        key,
        number,
        0 if rank == UNNAMED_RANK else rank,
        SOURCES[source],
        REVIEWS[review],
        None if confidence is None else round(confidence, 5),
        WORK[state],
        version,
        int(unfamiliar) + 2 * int(flagged) + 4 * bool(excluded),
    ]


def page_of_cells(cells: CellQuerySet, size: int) -> dict[str, Any]:
    """The first ``size`` of ordered cells, and where the next page begins; ``None`` at the end."""
    rows = list(cells.values_list(*COLUMNS)[: size + 1])
    following = None
    if len(rows) > size:
        rows.pop()
        last = dict(zip(COLUMNS, rows[-1], strict=True))
        following = f"{last['class_rank']}:{last['confidence_rank']!r}:{last['id']}"
    return {"cells": [compact(row) for row in rows], "next": following}


def read_place(text: str) -> tuple[int, float, int]:
    """Read where a page begins.

    Raises:
        ServiceError: ``invalid_place``.
    """
    try:
        rank, confidence, key = text.split(":")
        place = int(rank), float(confidence), int(key)
    except ValueError:
        place = 0, math.nan, 0
    if not math.isfinite(place[1]) or not all(0 <= each < 2**63 for each in (place[0], place[2])):
        raise ServiceError("invalid_place", _("Reload the page: this place is unknown."))
    return place


def workspace_context(
    *, case: SmearCase, counts: CaseCounts, user: User, role_corrects: bool, queue_first: bool
) -> dict[str, Any]:
    """What the page's scripts start with: three queries.

    Args:
        case: the case.
        counts: its counts.
        user: who reads.
        role_corrects: whether their role names cells, in a case that is not frozen.
        queue_first: whether the page opens on what needs review.
    """
    may_correct = role_corrects and not case.is_frozen
    classes = list(CellClass.objects.all())
    keys = class_keys(classes)
    cells = Cell.objects.of_case(case.pk).counted()
    if queue_first:
        # The queue is one list; the stream of all cells follows behind it.
        queue = cells.in_reading_order().needing_review().in_queue_order()
        seed = page_of_cells(queue, SEED_CELLS) | {"next": ""}
    else:
        seed = page_of_cells(cells.in_reading_order(), SEED_CELLS)
    own = CorrectionBatch.objects.of_case(case.pk).undoable_by(user.pk)
    steps = [each.pk for each in own[:STEPS_KEPT]] if may_correct else []
    by_code = {each.code: each for each in counts.classes}
    rows = [
        {
            "cell_class": each,
            "keys": keys[each.code],
            "counts": by_code[each.code],
            "review_only": not each.predicted,
        }
        for each in classes
    ]
    config = {
        "case": case.pk,
        "revision": case.revision,
        "lastNumber": case.last_cell_number,
        "status": case.status,
        "mayCorrect": may_correct,
        "mayCorrectOpen": role_corrects,
        "me": user.get_username(),
        "classes": [
            {
                "code": each.code,
                "name": each.name,
                "color": each.color,
                "order": each.order,
                "counted": each.counted,
                "keys": keys[each.code],
            }
            for each in classes
        ],
        "counts": asdict(counts),
        "steps": steps[::-1],
        "pollMilliseconds": POLL_MILLISECONDS,
        "sprite": static("icons/sprite.svg"),
        "urls": {
            "cells": reverse("case_cells", args=[case.pk]),
            "changes": reverse("api-case-changes", kwargs={"id": case.pk}),
            "corrections": reverse("api-case-corrections", kwargs={"id": case.pk}),
            "flags": reverse("api-case-flags", kwargs={"id": case.pk}),
            "undo": reverse("api-step-undo", kwargs={"id": 0}),
            "inspector": reverse("cell_inspector", args=[0]),
            "photo": reverse("cell_photo", args=[0]),
            "page": reverse("cell_detail", args=[0]),
            "summary": reverse("case_progress", args=[case.pk]),
        },
        "texts": texts(),
        "seed": seed,
    }
    return {
        "workspace": config,
        "class_rows": rows,
        "queue_first": queue_first,
        "comment_most": COMMENT_MAX_LENGTH,
        "note_most": NOTE_MAX_LENGTH,
    }


@method_decorator(gzip_page, name="dispatch")
class CaseCellsView(PageMixin, View):
    """The cells of a case in reading order as compact rows, 2,000 at a time."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        cells = Cell.objects.of_case(case.pk).counted().in_reading_order()
        place = request.GET.get("from", "")
        if place:
            cells = cells.read_from(*read_place(place))
        return JsonResponse(page_of_cells(cells, CELLS_PER_ANSWER))
