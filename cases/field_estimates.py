"""What the cells of fields say: means per field and a platelet estimate, with exact intervals.

No queries and no Django here. Cells fall on a field as they come, so that the number on a field of
given size is Poisson distributed, and the sum over fields is too. The interval is the exact one of
Garwood F, "Fiducial limits for the Poisson distribution", Biometrika 1936;28:437-442. Cells that
clump, or fields chosen for their cells, scatter more than it says.
"""

from __future__ import annotations

# scipy.special alone, as in cases/differential.py.
from scipy.special import gammaincinv

from cases.differential import CONFIDENCE_LEVEL, NOTHING_COUNTED, Estimate, percentage


def mean_interval(count: int, fields: int, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Garwood's interval of the mean per field, by the gamma quantiles it is equal to.

    The ends of the sum N are the quantiles chi2(tail; 2N) / 2 and chi2(1 - tail; 2N + 2) / 2.

    Args:
        count: cells on all fields together.
        fields: how many fields, at least 1.
        level: confidence level between 0 and 1.

    Returns:
        The lower and the upper end, in cells per field.

    Raises:
        ValueError: when the counts are not possible.
    """
    if fields < 1 or count < 0:
        raise ValueError(f"{count} cells on {fields} fields have no mean")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(gammaincinv(count, tail))
    return low / fields, float(gammaincinv(count + 1, 1 - tail)) / fields


def per_field(count: int, fields: int) -> Estimate:
    """Mean number of cells per field with its exact 95 % interval; nothing of no field."""
    if fields == 0:
        return NOTHING_COUNTED
    return Estimate(count / fields, *mean_interval(count, fields))


def platelet_estimate(mean: Estimate, factor: int) -> Estimate:
    """Platelets in 10^9/L: the mean per field times the laboratory's factor.

    The usual estimate from a smear: the mean of at least ten oil immersion fields (100x) where red
    cells barely touch, times 15,000 to 20,000 per microlitre (Malok M et al., "Comparison of two
    platelet count estimation methodologies for peripheral blood smears", Clin Lab Sci
    2007;20:154-160; Keohane EM, Otto CN and Walenga JM, "Rodak's Hematology", chapter on the
    examination of the peripheral blood film). The factor belongs to a microscope and a camera: the
    laboratory calibrates it, and none is assumed. The interval is that of the mean alone.

    Args:
        mean: platelets per field.
        factor: platelets per microlitre for each platelet in a field.
    """
    return Estimate(
        *(
            None if each is None else each * factor / 1000
            for each in (mean.value, mean.low, mean.high)
        )
    )


def precision(right: int, wrong: int) -> Estimate:
    """Percent of the cells found that are such, with its exact interval.

    Clopper CJ and Pearson ES, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", Biometrika 1934;26:404-413.
    """
    return percentage(right, right + wrong)


def recall(right: int, missed: int) -> Estimate:
    """Percent of the cells there are that were found, with the same interval."""
    return percentage(right, right + missed)
