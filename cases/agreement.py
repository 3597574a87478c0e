"""How well two readings of the same cells agree. No queries and no Django here.

Two questions are kept apart. Whether two *readers* name cells differently is answered by paired
tests on the cells both read: Cohen's kappa, the tests of Stuart and Maxwell and of Bowker over all
classes, McNemar's exact test for one class. Whether two *percentages* differ more than counting
two samples of that size would explain is Rümke's question, which CLSI H20-A2 asks of two 200-cell
differentials before it averages them: the normal limits of the difference of two proportions and
Fisher's exact test. On the same cells the latter is generous, since the sampling of cells does not
enter; it is the limit haematologists know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

# scipy.special alone: scipy.stats would cost the web process tens of megabytes.
from scipy.special import bdtr, chdtrc, ndtri

from cases.differential import CONFIDENCE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Of two binomial or hypergeometric probabilities that differ by rounding alone, neither is smaller.
ROUNDING = 1 + 1e-7


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its large-sample standard error and interval.

    ``value`` is ``None`` where both readers put every cell into one and the same class: there is
    then no agreement by chance to correct for. ``standard_error_0`` is that under chance
    agreement, for the test that kappa is zero.
    """

    observed: float
    expected: float
    value: float | None
    standard_error: float | None
    standard_error_0: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ChiSquare:
    """A test's statistic, degrees of freedom and p; nothing is tested with no degree of freedom."""

    statistic: float
    degrees: int
    p: float


@dataclass(frozen=True)
class Difference:
    """Two proportions and how far they may lie apart by chance, all as fractions of 1.

    ``allowed`` is the 95 % limit of the difference; ``p_fisher`` the exact two-sided probability
    of a difference at least as unlikely. Both ``None`` while one of the samples is empty.
    """

    first: float | None
    second: float | None
    allowed: float | None
    p_fisher: float | None

    @property
    def difference(self) -> float | None:
        """Second minus first."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first

    @property
    def is_allowed(self) -> bool | None:
        """Whether the difference is within the limit; ``None`` where nothing can be said."""
        if self.difference is None or self.allowed is None:
            return None
        return abs(self.difference) <= self.allowed * ROUNDING


def cross_table(
    first: Sequence[str], second: Sequence[str], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Count pairs of labels.

    Args:
        first: the first reader's label of each cell, shape (cells,).
        second: the second reader's, in the same order.
        classes: every label that occurs, in the order of rows and columns.

    Returns:
        Counts, shape (classes, classes): rows the first reader, columns the second.

    Raises:
        ValueError: when the readings do not have one label for each cell.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} labels are no pairs")
    place = {code: number for number, code in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), np.int64)
    for one, other in zip(first, second, strict=True):
        table[place[one], place[other]] += 1
    return table


def cohen_kappa(table: NDArray[np.int64], level: float = CONFIDENCE_LEVEL) -> Kappa:
    """Cohen's kappa: the agreement beyond chance, as a share of the possible one.

    Cohen J, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 1960;20:37-46. Standard errors by Fleiss JL, Cohen J and Everitt BS, "Large sample
    standard errors of kappa and weighted kappa", Psychological Bulletin 1969;72:323-327; that for
    the interval corrects Cohen's own.

    Args:
        table: counts, shape (classes, classes).
        level: of the interval, which is cut at -1 and 1.

    Raises:
        ValueError: for an empty table.
    """
    total = int(table.sum())
    if total == 0:
        raise ValueError("no cell was read by both")
    share = table / total
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float(np.trace(share)), float(rows @ columns)
    if math.isclose(expected, 1.0):
        return Kappa(observed, expected, None, None, None, None, None)
    value = (observed - expected) / (1 - expected)
    # Fleiss, Cohen and Everitt's three terms: the diagonal, what lies off it, and kappa's square.
    diagonal = np.diag(share)
    a = float(np.sum(diagonal * (1 - (rows + columns) * (1 - value)) ** 2))
    weights = (columns[:, None] + rows[None, :]) ** 2
    b = (1 - value) ** 2 * float(np.sum(share * weights) - np.sum(diagonal * np.diag(weights)))
    c = (value - expected * (1 - value)) ** 2
    error = math.sqrt(max(a + b - c, 0.0)) / ((1 - expected) * math.sqrt(total))
    chance = expected + expected**2 - float(np.sum(rows * columns * (rows + columns)))
    error_0 = math.sqrt(max(chance, 0.0)) / ((1 - expected) * math.sqrt(total))
    reach = float(ndtri(1 - (1 - level) / 2)) * error
    return Kappa(
        observed, expected, value, error, error_0, max(value - reach, -1.0), min(value + reach, 1.0)
    )


def stuart_maxwell(table: NDArray[np.int64]) -> ChiSquare:
    """Whether two readers give the classes in different shares: marginal homogeneity.

    Stuart A, "A test for homogeneity of the marginal distributions in a two-way classification",
    Biometrika 1955;42:412-416; Maxwell AE, "Comparing the classification of subjects by two
    independent judges", British Journal of Psychiatry 1970;116:651-655. Classes on which the
    readers never differ say nothing and are left out; where the differences of the others are
    tied to each other, the rank of their covariance is the number of degrees of freedom.

    Args:
        table: counts, shape (classes, classes).
    """
    off = table - np.diag(np.diag(table))
    used = (off.sum(axis=0) + off.sum(axis=1)) > 0
    off = off[np.ix_(used, used)]
    if not off.size:
        return ChiSquare(0.0, 0, 1.0)
    gaps = (off.sum(axis=1) - off.sum(axis=0)).astype(float)
    covariance = np.diag(off.sum(axis=1) + off.sum(axis=0)) - (off + off.T)
    degrees = int(np.linalg.matrix_rank(covariance))
    statistic = float(gaps @ np.linalg.pinv(covariance, hermitian=True) @ gaps)
    return ChiSquare(statistic, degrees, float(chdtrc(degrees, statistic)))


def bowker(table: NDArray[np.int64]) -> ChiSquare:
    """Whether the readers mix up classes in one direction more than in the other: symmetry.

    Bowker AH, "A test for symmetry in contingency tables", Journal of the American Statistical
    Association 1948;43:572-574. Pairs of classes nobody mixed up carry no degree of freedom.

    Args:
        table: counts, shape (classes, classes).
    """
    upper = np.triu_indices(len(table), k=1)
    one, other = table[upper], table.T[upper]
    both = one + other
    used = both > 0
    degrees = int(used.sum())
    if degrees == 0:
        return ChiSquare(0.0, 0, 1.0)
    statistic = float(np.sum((one[used] - other[used]) ** 2 / both[used]))
    return ChiSquare(statistic, degrees, float(chdtrc(degrees, statistic)))


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Exact two-sided p that one class is given as often by one reader as by the other.

    McNemar Q, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947;12:153-157, with the binomial distribution itself in place of
    its normal limit: of the cells one reader alone puts into the class, each has even chances.

    Args:
        first_only: cells only the first reader puts into the class.
        second_only: cells only the second reader does.

    Raises:
        ValueError: for negative counts.
    """
    if min(first_only, second_only) < 0:
        raise ValueError("counts are not negative")
    total = first_only + second_only
    if total == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(first_only, second_only), total, 0.5)))


def compare_proportions(
    first: int, first_total: int, second: int, second_total: int, level: float = CONFIDENCE_LEVEL
) -> Difference:
    """Two counts as proportions, and how far chance lets them lie apart.

    The limit is z times the standard error of a difference of two proportions around their common
    value, sqrt(p (1 - p) (1/n1 + 1/n2)), after Rümke CL, "The statistically expected variability
    in differential leukocyte counting", in Koepke JA (ed), Differential Leukocyte Counting, CAP
    1978, and CLSI H20-A2 (2007). The exact p is Fisher's, see :func:`fisher_exact`.

    Args:
        first: cells of the class among ``first_total``.
        first_total: size of the first reading.
        second: cells of the class among ``second_total``.
        second_total: size of the second reading.
        level: of the limit.

    Raises:
        ValueError: when the counts are not possible.
    """
    for count, total in ((first, first_total), (second, second_total)):
        if not 0 <= count <= total:
            raise ValueError(f"{count} of {total} is not a proportion")
    shares = [
        count / total if total else None
        for count, total in ((first, first_total), (second, second_total))
    ]
    if not first_total or not second_total:
        return Difference(shares[0], shares[1], None, None)
    common = (first + second) / (first_total + second_total)
    error = math.sqrt(common * (1 - common) * (1 / first_total + 1 / second_total))
    allowed = float(ndtri(1 - (1 - level) / 2)) * error
    p = fisher_exact(first, first_total - first, second, second_total - second)
    return Difference(shares[0], shares[1], allowed, p)


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact two-sided p of a table of two rows: all tables no likelier than this one.

    Fisher RA, "The logic of inductive inference", Journal of the Royal Statistical Society
    1935;98:39-82. The probabilities are whole numbers until the end, so none is rounded.

    Args:
        a, b: the first row.
        c, d: the second row.
    """
    rows, column = (a + b, c + d), a + c
    lowest, highest = max(0, column - rows[1]), min(column, rows[0])
    ways = [
        math.comb(rows[0], each) * math.comb(rows[1], column - each)
        for each in range(lowest, highest + 1)
    ]
    here = ways[a - lowest]
    return sum(each for each in ways if each <= here) / sum(ways)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values of several tests so that the chance of any false alarm stays at the level.

    Holm S, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 1979;6:65-70.

    Returns:
        Adjusted values in the order given, none above 1.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
