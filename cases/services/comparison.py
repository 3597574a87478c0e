"""What two finished readings say beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from cases.agreement import (
    ChiSquare,
    Difference,
    Kappa,
    bowker,
    cohen_kappa,
    compare_proportions,
    cross_table,
    holm,
    mcnemar_exact,
    stuart_maxwell,
)
from cases.models import CellClass, DoubleReading, ReadingLabel
from cases.services.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

# CLSI H20-A2: each of the two differentials counts 200 leukocytes.
LEUKOCYTES_OF_A_READING = 200
ALPHA = 0.05


@dataclass(frozen=True)
class PairedLabel:
    """A cell both read: its key in the double reading and in the case, and the two labels."""

    reading_cell: int
    cell: int
    first: CellClass
    second: CellClass

    @property
    def agreed(self) -> bool:
        return self.first.pk == self.second.pk


@dataclass(frozen=True)
class ClassComparison:
    """One class in both readings.

    ``shares`` are of each reading's leukocytes, ``mean_percent`` their average where the readers
    agree within the allowed difference; both only for classes that are counted. ``p`` is
    McNemar's exact probability on the cells themselves, ``p_adjusted`` that by Holm over all
    classes that were given.
    """

    cell_class: CellClass
    first: int
    second: int
    both: int
    shares: Difference | None
    mean_percent: float | None
    p: float
    p_adjusted: float

    @property
    def differs(self) -> bool:
        """Whether the readers give this class unequally often, more than chance allows."""
        return self.p_adjusted < ALPHA


@dataclass(frozen=True)
class Comparison:
    """Everything that is told of two readings; ``table`` has the first reader's classes as rows."""

    cells: int
    agreed: int
    leukocytes: tuple[int, int]
    kappa: Kappa
    stuart_maxwell: ChiSquare
    bowker: ChiSquare
    classes: list[ClassComparison]
    table: list[list[int]]

    @property
    def limited(self) -> bool:
        """Whether one of the readings has fewer leukocytes than H20-A2 asks for."""
        return min(self.leukocytes) < LEUKOCYTES_OF_A_READING

    @property
    def within_limits(self) -> bool:
        """Whether every percentage differs by no more than the allowed difference."""
        shown = [each.shares.is_allowed for each in self.classes if each.shares is not None]
        return False not in shown

    @property
    def differ(self) -> bool:
        """Whether the shares of the classes differ more than chance allows, over all of them."""
        return self.stuart_maxwell.p < ALPHA

    @property
    def one_sided(self) -> bool:
        """Whether the readers confuse classes in one direction more than in the other."""
        return self.bowker.p < ALPHA

    @property
    def cross_rows(self) -> list[tuple[CellClass, list[int]]]:
        """The table with the class of each row."""
        return [(each.cell_class, row) for each, row in zip(self.classes, self.table, strict=True)]


def paired_labels(double_reading: DoubleReading) -> list[PairedLabel]:
    """Both labels of every cell, in the order of the first reading: four queries.

    Raises:
        Conflict: ``readings_open`` while one of the two is not done.
    """
    readings = list(double_reading.readings.order_by("number"))
    if len(readings) != 2 or any(each.finished_at is None for each in readings):
        raise Conflict("readings_open", _("The two readings are not both done yet."))
    labels = ReadingLabel.objects.that_count(each.pk for each in readings)
    named: dict[tuple[int, int], int] = {
        (reading, cell): label
        for reading, cell, label in labels.values_list("reading_id", "reading_cell_id", "label_id")
    }
    classes = CellClass.objects.in_bulk()
    first, second = readings
    return [
        PairedLabel(pk, cell, classes[named[first.pk, pk]], classes[named[second.pk, pk]])
        for pk, cell in double_reading.cells.order_by("first_position").values_list("pk", "cell_id")
    ]


def compare_readings(pairs: Sequence[PairedLabel]) -> Comparison:
    """Count both readings and test whether they differ. No queries."""
    given = {each.pk: each for pair in pairs for each in (pair.first, pair.second)}
    classes = sorted(given.values(), key=lambda each: each.order)
    table = cross_table(
        [pair.first.code for pair in pairs],
        [pair.second.code for pair in pairs],
        [each.code for each in classes],
    )
    rows, columns = table.sum(axis=1).tolist(), table.sum(axis=0).tolist()
    both = table.diagonal().tolist()
    counted = [each.counted for each in classes]
    leukocytes = (
        sum(count for count, here in zip(rows, counted, strict=True) if here),
        sum(count for count, here in zip(columns, counted, strict=True) if here),
    )
    p_values = [
        mcnemar_exact(row - same, column - same)
        for row, column, same in zip(rows, columns, both, strict=True)
    ]
    compared = []
    for number, (each, adjusted) in enumerate(zip(classes, holm(p_values), strict=True)):
        shares = (
            compare_proportions(rows[number], leukocytes[0], columns[number], leukocytes[1])
            if each.counted
            else None
        )
        compared.append(
            ClassComparison(
                cell_class=each,
                first=rows[number],
                second=columns[number],
                both=both[number],
                shares=shares,
                mean_percent=_mean(shares),
                p=p_values[number],
                p_adjusted=adjusted,
            )
        )
    return Comparison(
        cells=len(pairs),
        agreed=sum(pair.agreed for pair in pairs),
        leukocytes=leukocytes,
        kappa=cohen_kappa(table),
        stuart_maxwell=stuart_maxwell(table),
        bowker=bowker(table),
        classes=compared,
        table=table.tolist(),
    )


def _mean(shares: Difference | None) -> float | None:
    """The average of two percentages; none where they lie too far apart to be averaged."""
    if shares is None or not shares.is_allowed or shares.first is None or shares.second is None:
        return None
    return 50 * (shares.first + shares.second)
