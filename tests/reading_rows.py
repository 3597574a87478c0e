"""Double readings for tests, in whatever stage they are wanted."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from cases.models import (
    CellClass,
    DoubleReading,
    Reading,
    ReadingCell,
    ReadingLabel,
    SmearCase,
    User,
)
from cases.services.readings import finish_reading, name_cell, request_double_reading
from tests.factories import named_cell

LABELS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")


def case_to_read(case: SmearCase, cells: int = 4, **attributes: Any) -> SmearCase:
    """Fill a case with cells the model named, the classes in turn."""
    for number in range(cells):
        named_cell(case, LABELS[number % len(LABELS)], **attributes)
    SmearCase.objects.filter(pk=case.pk).update(status="in_review")
    case.refresh_from_db()
    return case


def asked_for(case: SmearCase, by: User, readers: tuple[User, User]) -> DoubleReading:
    return request_double_reading(
        case_id=case.pk, user=by, reader_ids=[each.pk for each in readers], seed=7
    )


def cells_of(reading: Reading) -> list[ReadingCell]:
    """The cells in the order of this reading."""
    place = {1: "first_position", 2: "second_position"}[reading.number]
    return list(reading.double_reading.cells.select_related("cell__label").order_by(place))


def read(reading: Reading, other: dict[int, str] | None = None, *, finish: bool = True) -> None:
    """Name every cell as the model did, but for the cells (by key) in ``other``, and finish."""
    for position, each in enumerate(cells_of(reading), start=1):
        assert each.cell.label is not None
        label = (other or {}).get(each.cell_id, each.cell.label.code)
        name_cell(reading_id=reading.pk, user=reading.reader, position=position, label=label)
    if finish:
        finish_reading(reading_id=reading.pk, user=reading.reader)


def read_at_once(asked: DoubleReading, other: dict[int, str] | None = None) -> None:
    """Both readings done, as rows alone: the first reader gives the cells in ``other`` that name.

    For worlds that are built again and again; tests of reading itself take ``read``.
    """
    cells = list(asked.cells.select_related("cell"))
    classes = CellClass.objects.in_bulk(field_name="code")
    labels = []
    for reading in asked.readings.all():
        for each in cells:
            named = (other or {}).get(each.cell_id) if reading.number == 1 else None
            label = classes[named] if named else each.cell.label
            labels.append(ReadingLabel(reading=reading, reading_cell=each, label=label))
    ReadingLabel.objects.bulk_create(labels)
    asked.readings.update(finished_at=timezone.now())
    asked.state = DoubleReading.State.ADJUDICATION
    asked.save(update_fields=["state"])
