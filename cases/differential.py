"""The differential: percentages and their exact intervals. No queries and no Django here.

A differential names a sample of cells; its percentages carry the sampling error Rümke tabulated
(Rümke CL, "Variability of results in differential cell counts on blood smears", Triangle
1960;4:154-158; CLSI H20-A2 reprints the table). The intervals are those of Clopper CJ and Pearson
ES, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika
1934;26:404-413.
"""

from __future__ import annotations

from dataclasses import dataclass

# scipy.special alone: scipy.stats would cost the web process tens of megabytes.
from scipy.special import betaincinv

CONFIDENCE_LEVEL = 0.95
# CLSI H20-A2: a differential counts at least 100 leukocytes.
LEUKOCYTES_WANTED = 100


@dataclass(frozen=True)
class Estimate:
    """A number with its exact interval, in the unit of the function that made it.

    ``low`` or ``high`` is ``None`` where the interval has no such end.
    """

    value: float | None
    low: float | None
    high: float | None


NOTHING_COUNTED = Estimate(None, None, None)


def proportion_interval(
    count: float, total: float, level: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Clopper-Pearson interval of a proportion, by the beta quantiles it is equal to.

    Args:
        count: successes, 0 to ``total``. Parts of a cell are allowed where a count is only
            thought of, as in :func:`cases.flags.leukocytes_to_settle`.
        total: trials, at least 1.
        level: confidence level between 0 and 1.

    Returns:
        The lower and the upper end, as fractions of 1.

    Raises:
        ValueError: when the counts are not possible.
    """
    if total < 1 or not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is not a proportion")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


def percentage(count: int, total: int) -> Estimate:
    """Percentage of ``count`` in ``total`` with its exact 95 % interval, in percent.

    Nothing is estimated from nothing: all ends are ``None`` when ``total`` is 0.
    """
    if total == 0:
        return NOTHING_COUNTED
    low, high = proportion_interval(count, total)
    return Estimate(100 * count / total, 100 * low, 100 * high)


def per_hundred(count: int, leukocytes: int) -> Estimate:
    """Cells per 100 leukocytes with an exact 95 % interval, for cells that are not leukocytes.

    Nucleated red cells are met beside the leukocytes, not among them, so the ratio can exceed 100.
    Given the sum of both counts, the first is binomial with p = r / (1 + r) for the ratio r of the
    two rates; the Clopper-Pearson ends of p, turned into odds p / (1 - p), are the exact ends of r
    (Przyborowski J and Wilenski H, Biometrika 1940;31:313-323; Nelson W, IEEE Transactions on
    Reliability 1970;R-19:42-49).

    Returns:
        The ratio times 100; without leukocytes there is no ratio and no upper end.
    """
    if count == 0 and leukocytes == 0:
        return NOTHING_COUNTED
    low, high = proportion_interval(count, count + leukocytes)
    if leukocytes == 0:
        return Estimate(None, 100 * low / (1 - low), None)
    return Estimate(100 * count / leukocytes, 100 * low / (1 - low), 100 * high / (1 - high))


def corrected_wbc(wbc: float, nrbc_per_100_wbc: float) -> float:
    """Leukocytes alone, of a count in which the analyser took nucleated red cells for leukocytes.

    An analyser that lyses no nucleated red cells counts W leukocytes and W * nrbc / 100 of them,
    so W = count * 100 / (100 + nrbc): the usual correction (for instance Keohane EM, Otto CN and
    Walenga JM, "Rodak's Hematology", chapter on manual cell counts).

    Args:
        wbc: the analyser's count, in any unit.
        nrbc_per_100_wbc: nucleated red cells per 100 leukocytes.

    Returns:
        The corrected count, in the same unit.
    """
    return wbc * 100 / (100 + nrbc_per_100_wbc)


def absolute(relative: Estimate, wbc: float) -> Estimate:
    """Absolute count of a class: its percentage of the white cell count.

    The interval is that of the percentage alone; the analyser's own error is not in it.

    Args:
        relative: percent of leukocytes, or cells per 100 leukocytes.
        wbc: leukocytes in 10^9/L, already corrected where that is due.

    Returns:
        The count in 10^9/L.
    """
    return Estimate(
        *(
            None if each is None else each * wbc / 100
            for each in (relative.value, relative.low, relative.high)
        )
    )
