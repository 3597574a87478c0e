"""Two model versions against the reviewers: on the same cells, cell by cell.

Compared are cells a reviewer has named and both versions have seen. Reviewers look first where the
version in use was unsure, so these cells are harder than all cells are, and the shares are no
estimate of accuracy on new smears; the difference between the two versions is what is compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, F, FilteredRelation, Q
from scipy.special import betainc

from cases.differential import NOTHING_COUNTED, Estimate, percentage
from cases.models import Cell, CellClass

if TYPE_CHECKING:
    from cases.querysets import CellQuerySet
    from classifier.models import ModelVersion


@dataclass(frozen=True)
class ClassFigures:
    """One class under both versions; shares in percent with their exact 95 % intervals.

    ``n`` cells were named so by reviewers. A version's recall is over these, its precision over
    the cells it called so, which may be none.
    """

    cell_class: CellClass
    n: int
    first_recall: Estimate
    second_recall: Estimate
    first_precision: Estimate
    second_precision: Estimate


@dataclass(frozen=True)
class Comparison:
    """What two versions said of the same reviewed cells.

    Attributes:
        n: cells compared.
        agreement: share on which the two say the same, right or wrong.
        first_right, second_right: share each called as the reviewer did.
        both_right, only_first, only_second, neither: cells by who was right.
        p_value: of McNemar's exact test; None without a cell on which one alone is right.
        first_unfamiliar, second_unfamiliar: cells each flagged as unfamiliar; the class it named
            all the same is what is compared.
        columns: the classes of the table of both versions.
        agreement_rows: for each class of the first version, how often the second said what.
        classes: figures of every class that a reviewer or a version named.
    """

    n: int
    agreement: Estimate
    first_right: Estimate
    second_right: Estimate
    both_right: int
    only_first: int
    only_second: int
    neither: int
    p_value: float | None
    first_unfamiliar: int
    second_unfamiliar: int
    columns: list[CellClass]
    agreement_rows: list[tuple[CellClass, list[int]]]
    classes: list[ClassFigures]

    @property
    def differing(self) -> int:
        """Cells on which the two say different things."""
        return self.n - sum(row[1][index] for index, row in enumerate(self.agreement_rows))


def mcnemar_p(only_first: int, only_second: int) -> float | None:
    """Two-sided p of McNemar's test in its exact, conditional form.

    Given that one alone is right, each is as likely to be under the null hypothesis, so the smaller
    of the two counts is binomial with a half (McNemar Q, Psychometrika 1947;12:153-157; exact form:
    Agresti A, Categorical Data Analysis, 3rd ed., 11.1). P(X <= k) is the regularised incomplete
    beta function I(1/2; n - k, k + 1).

    Returns:
        The probability of counts as unequal or more so; None when there are none.
    """
    trials = only_first + only_second
    if not trials:
        return None
    least = min(only_first, only_second)
    return min(1.0, 2 * float(betainc(trials - least, least + 1, 0.5)))


def reviewed_cells(
    *,
    policy_cells: CellQuerySet,
    first: ModelVersion,
    second: ModelVersion,
    corrected_only: bool = False,
) -> CellQuerySet:
    """Cells named by a reviewer and seen by both versions, with ``first_class``,
    ``second_class``, ``first_confidence`` and ``second_confidence``.

    Args:
        policy_cells: the cells the reader may see.
        first, second: the versions.
        corrected_only: leave out the cells whose label a reviewer only confirmed.
    """
    cells = policy_cells.counted().filter(label_source=Cell.LabelSource.REVIEWER)
    if corrected_only:
        cells = cells.filter(review_state=Cell.ReviewState.CORRECTED)
    return (
        cells.annotate(
            first=FilteredRelation("predictions", condition=_present_box(first)),
            second=FilteredRelation("predictions", condition=_present_box(second)),
        )
        .filter(first__isnull=False, second__isnull=False)
        .annotate(
            first_class=F("first__predicted_class_id"),
            second_class=F("second__predicted_class_id"),
            first_confidence=F("first__confidence"),
            second_confidence=F("second__confidence"),
        )
    )


def _present_box(version: ModelVersion) -> Q:
    """What a version said of a cell as it lies now, of the relation ``predictions``."""
    return Q(predictions__model_version=version, predictions__box_version=F("box_version"))


def differing_cells(cells: CellQuerySet) -> CellQuerySet:
    """Those of :func:`reviewed_cells` on which the two versions say different things."""
    return cells.exclude(first_class=F("second_class"))


def compare(cells: CellQuerySet) -> Comparison:
    """Compare on :func:`reviewed_cells`: two queries, however many cells there are."""
    rows = list(
        cells.order_by()
        .values("label_id", "first_class", "second_class")
        .annotate(
            n=Count("pk"),
            first_strange=Count("pk", filter=Q(first__unfamiliar=True)),
            second_strange=Count("pk", filter=Q(second__unfamiliar=True)),
        )
    )
    classes = list(CellClass.objects.all())
    counts: Counter[tuple[int, int, int]] = Counter()
    for row in rows:
        counts[row["label_id"], row["first_class"], row["second_class"]] += row["n"]
    return _figures(
        counts,
        classes,
        strange=(
            sum(row["first_strange"] for row in rows),
            sum(row["second_strange"] for row in rows),
        ),
    )


def _figures(
    counts: Counter[tuple[int, int, int]], classes: list[CellClass], *, strange: tuple[int, int]
) -> Comparison:
    n = counts.total()
    truth, said = Counter[int](), (Counter[int](), Counter[int]())
    right, pairs = (Counter[int](), Counter[int]()), Counter[tuple[int, int]]()
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for (label, *answers), count in counts.items():
        truth[label] += count
        pairs[answers[0], answers[1]] += count
        outcomes[answers[0] == label, answers[1] == label] += count
        for version, code in enumerate(answers):
            said[version][code] += count
            right[version][code] += count if code == label else 0
    columns = [each for each in classes if said[0][each.pk] or said[1][each.pk]]
    return Comparison(
        n=n,
        agreement=percentage(sum(pairs[each.pk, each.pk] for each in columns), n),
        first_right=percentage(right[0].total(), n),
        second_right=percentage(right[1].total(), n),
        both_right=outcomes[True, True],
        only_first=outcomes[True, False],
        only_second=outcomes[False, True],
        neither=outcomes[False, False],
        p_value=mcnemar_p(outcomes[True, False], outcomes[False, True]),
        first_unfamiliar=strange[0],
        second_unfamiliar=strange[1],
        columns=columns,
        agreement_rows=[(row, [pairs[row.pk, column.pk] for column in columns]) for row in columns],
        classes=[
            ClassFigures(
                each,
                truth[each.pk],
                _share(right[0][each.pk], truth[each.pk]),
                _share(right[1][each.pk], truth[each.pk]),
                _share(right[0][each.pk], said[0][each.pk]),
                _share(right[1][each.pk], said[1][each.pk]),
            )
            for each in classes
            if truth[each.pk] or each in columns
        ],
    )


def _share(count: int, total: int) -> Estimate:
    return percentage(count, total) if total else NOTHING_COUNTED
