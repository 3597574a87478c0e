"""Where a class stands against its reference range. No queries and no Django here.

A flag says what the sample of cells can bear out: the whole 95 % interval lies outside the range.
Otherwise the reader is told how many leukocytes more would settle the matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cases.differential import Estimate, proportion_interval

# Nobody counts more by hand; what this does not settle, counting does not settle.
LEUKOCYTES_AT_MOST = 10_000


class Standing(StrEnum):
    """What the interval says of the range."""

    HIGH = "high"
    LOW = "low"
    PRESENT = "present"  # of a class that is never there normally
    WITHIN = "within"
    NOT_SEEN = "not_seen"  # of such a class; no count can prove that there is none
    UNDECIDED = "undecided"


FLAGGED = (Standing.HIGH, Standing.LOW, Standing.PRESENT)


@dataclass(frozen=True)
class Limits:
    """A reference range, per 100 leukocytes; ``None`` for an end that is not given."""

    low: float | None
    high: float | None

    @property
    def never_normal(self) -> bool:
        """Whether a single such cell lies outside."""
        return self.high == 0

    def holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Judgement:
    """What is said of one class.

    Attributes:
        standing: what the interval says.
        leaning: ``high``, ``low`` or ``within``: where the observed value lies, sure or not.
        more: leukocytes that remain to be counted until the interval takes a side, if the
            observed value stays; ``None`` when it has, or when ``LEUKOCYTES_AT_MOST`` do not do.
    """

    standing: Standing
    leaning: Standing
    more: int | None = None


def judge(*, count: int, leukocytes: int, limits: Limits, counted: bool) -> Judgement | None:
    """Hold a class against its range.

    Args:
        count: cells of the class.
        leukocytes: leukocytes named.
        limits: per 100 leukocytes.
        counted: whether the class is among the leukocytes; otherwise ``count`` stands beside them.

    Returns:
        The judgement; ``None`` where nothing can be said, for want of leukocytes.
    """
    if limits.never_normal:
        if count:
            return Judgement(Standing.PRESENT, Standing.HIGH)
        return Judgement(Standing.NOT_SEEN, Standing.WITHIN) if leukocytes else None
    if not leukocytes:
        return None
    share = count / leukocytes
    leaning = Standing.WITHIN
    if limits.high is not None and 100 * share > limits.high:
        leaning = Standing.HIGH
    elif limits.low is not None and 100 * share < limits.low:
        leaning = Standing.LOW
    standing = _side(_estimate(share, leukocytes, counted), limits)
    if standing is not Standing.UNDECIDED:
        return Judgement(standing, leaning)
    wanted = leukocytes_to_settle(
        share=share, leukocytes=leukocytes, limits=limits, counted=counted
    )
    return Judgement(standing, leaning, wanted - leukocytes if wanted else None)


def leukocytes_to_settle(
    *, share: float, leukocytes: int, limits: Limits, counted: bool
) -> int | None:
    """The least number of leukocytes at which the interval takes a side.

    The class's share is taken to stay exactly as observed, so its count may be a fraction of a
    cell; the interval is Clopper and Pearson's, whose beta quantiles are defined there too. It
    narrows steadily as the number grows, so the least number is found by bisection.

    Args:
        share: cells of the class by leukocytes, as observed.
        leukocytes: named so far, without taking a side.
        limits: per 100 leukocytes.
        counted: whether the class is among the leukocytes.

    Returns:
        A number above ``leukocytes``, or ``None`` when ``LEUKOCYTES_AT_MOST`` do not settle it,
        as when the share lies on a limit.
    """

    def settled(number: int) -> bool:
        return _side(_estimate(share, number, counted), limits) is not Standing.UNDECIDED

    undecided, enough = leukocytes, LEUKOCYTES_AT_MOST
    if undecided >= enough or not settled(enough):
        return None
    while enough - undecided > 1:
        middle = (undecided + enough) // 2
        if settled(middle):
            enough = middle
        else:
            undecided = middle
    return enough


def _estimate(share: float, leukocytes: int, counted: bool) -> Estimate:
    """The share among so many leukocytes, per 100, with its interval."""
    count = share * leukocytes
    if counted:
        low, high = proportion_interval(min(count, leukocytes), leukocytes)
        return Estimate(100 * share, 100 * low, 100 * high)
    low, high = proportion_interval(count, count + leukocytes)
    return Estimate(100 * share, 100 * low / (1 - low), 100 * high / (1 - high))


def _side(estimate: Estimate, limits: Limits) -> Standing:
    low, high = estimate.low or 0.0, estimate.high or 0.0
    if limits.high is not None and low > limits.high:
        return Standing.HIGH
    if limits.low is not None and high < limits.low:
        return Standing.LOW
    if limits.holds(low) and limits.holds(high):
        return Standing.WITHIN
    return Standing.UNDECIDED
