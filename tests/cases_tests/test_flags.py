"""Flags: raised only when the interval leaves the range, else how many leukocytes would settle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from cases.flags import LEUKOCYTES_AT_MOST, Judgement, Limits, Standing, judge, leukocytes_to_settle


def judged(count: int, leukocytes: int, low: float | None, high: float | None) -> Judgement:
    found = judge(
        count=count, leukocytes=leukocytes, limits=Limits(low=low, high=high), counted=True
    )
    assert found is not None
    return found


# The intervals of 100 and 200 cells are those of Rümke's table: 9 of 100 is 4.2 to 16.4.
@pytest.mark.parametrize(
    ("count", "leukocytes", "low", "high", "standing", "leaning"),
    [
        (9, 100, None, 4.1, "high", "high"),
        (9, 100, None, 4.3, "undecided", "high"),
        (9, 100, None, 10.0, "undecided", "within"),
        (9, 100, None, 16.3, "undecided", "within"),
        (9, 100, None, 16.5, "within", "within"),
        (9, 100, 16.5, 30, "low", "low"),
        (9, 100, 16.3, 30, "undecided", "low"),
        (9, 100, 4.1, 16.5, "within", "within"),
        (9, 100, 0, 16.5, "within", "within"),
        (0, 100, None, 3.7, "within", "within"),
        (100, 100, 96.3, 100, "within", "within"),
        (1, 100, None, 0, "present", "high"),
        (0, 100, None, 0, "not_seen", "within"),
    ],
)
def test_the_interval_decides(
    count: int, leukocytes: int, low: float | None, high: float | None, standing: str, leaning: str
) -> None:
    found = judged(count, leukocytes, low, high)
    assert (found.standing, found.leaning) == (standing, leaning)
    assert (found.more is None) == (standing != "undecided")


def test_how_many_more_settle_it() -> None:
    # None of n excludes 1 % from where 1 - 0.025 ** (1 / n) falls to it: from 368 on.
    found = judged(0, 100, None, 1.0)
    assert (found.standing, found.leaning, found.more) == ("undecided", "within", 268)
    assert binomtest(0, 368).proportion_ci(method="exact").high <= 0.01
    assert binomtest(0, 367).proportion_ci(method="exact").high > 0.01
    # 10 of 100 against 5: n is the first whose exact interval at one tenth clears 5 %.
    found = judged(10, 100, None, 5.0)
    assert found.more is not None
    total = 100 + found.more
    assert binomtest(-(-total // 10), total).proportion_ci(method="exact").low > 0.05
    assert binomtest((total - 1) // 10, total - 1).proportion_ci(method="exact").low <= 0.05


def test_what_counting_does_not_settle() -> None:
    on_the_limit = judged(10, 100, None, 10)
    assert (on_the_limit.standing, on_the_limit.more) == ("undecided", None)
    hardly_above = judged(101, 1000, None, 10)
    assert hardly_above.more is None
    assert judged(LEUKOCYTES_AT_MOST // 10, LEUKOCYTES_AT_MOST, None, 10).more is None


def test_classes_beside_the_leukocytes_are_held_against_per_hundred() -> None:
    never = Limits(low=None, high=0)
    some = Limits(low=None, high=2)
    assert judge(count=1, leukocytes=0, limits=never, counted=False) == Judgement(
        Standing.PRESENT, Standing.HIGH
    )
    assert judge(count=0, leukocytes=0, limits=never, counted=False) is None
    assert judge(count=4, leukocytes=0, limits=some, counted=False) is None
    many = judge(count=150, leukocytes=100, limits=some, counted=False)
    assert many is not None
    assert many.standing == "high"
    few = judge(count=3, leukocytes=100, limits=some, counted=False)
    assert few is not None
    assert (few.standing, few.leaning) == ("undecided", "high")
    assert few.more is not None
    assert few.more > 100
    assert judge(count=0, leukocytes=0, limits=some, counted=True) is None


@settings(max_examples=60, deadline=None)
@given(
    leukocytes=st.integers(1, 2000),
    data=st.data(),
    low=st.one_of(st.none(), st.floats(0, 60)),
    width=st.one_of(st.none(), st.floats(0.1, 60)),
    counted=st.booleans(),
)
def test_the_number_is_the_least(
    leukocytes: int, data: st.DataObject, low: float | None, width: float | None, counted: bool
) -> None:
    """At the number the interval has taken a side, one leukocyte earlier it had not."""
    from cases.flags import _estimate, _side

    count = data.draw(st.integers(0, leukocytes))
    limits = Limits(low=low, high=None if width is None else (low or 0) + width)
    found = judge(count=count, leukocytes=leukocytes, limits=limits, counted=counted)
    assert found is not None
    share = count / leukocytes
    if found.standing is not Standing.UNDECIDED:
        return
    enough = leukocytes_to_settle(
        share=share, leukocytes=leukocytes, limits=limits, counted=counted
    )
    if enough is None:
        assert found.more is None
        return
    assert found.more == enough - leukocytes
    assert _side(_estimate(share, enough, counted), limits) is found.leaning
    # Not only one leukocyte earlier: nowhere between, so bisection missed no smaller number.
    for number in {
        leukocytes,
        enough - 1,
        (leukocytes + enough) // 2,
        leukocytes + found.more // 3,
    }:
        if number < enough:
            assert _side(_estimate(share, number, counted), limits) is Standing.UNDECIDED
