"""Rounding as a laboratory does it, in one place for pages, reports and tables."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from cases.rounding import half_up
from cases.templatetags.interface import as_percent, decimal


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (6.25, 1, "6.3"),  # 1 of 16 leukocytes, where half to even says 6.2
        (0.25, 1, "0.3"),  # 1 of 400
        (0.15, 1, "0.2"),  # a little less than that in binary
        (1.005, 2, "1.01"),
        (100 * 0.0615, 1, "6.2"),  # multiplied, a little less than 6.15
        (6.2499, 1, "6.2"),
        (-6.25, 1, "-6.3"),
        (0.0, 1, "0.0"),
        (2.5, 0, "3"),
        (123456.0, 1, "123456.0"),
        (1e-9, 1, "0.0"),
    ],
)
def test_a_half_goes_up(value: float, decimals: int, expected: str) -> None:
    assert str(half_up(value, decimals)) == expected


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_percentage_is_rounded_as_the_fraction_it_is(pair: tuple[int, int]) -> None:
    count, total = pair
    tenths = Fraction(1000 * count, total)
    exact = (tenths + Fraction(1, 2)).__floor__()
    assert half_up(100 * count / total, 1) == (Decimal(exact) / 10).quantize(
        Decimal("0.1"), ROUND_HALF_UP
    )


def test_pages_round_so() -> None:
    assert decimal(6.25) == "6.3"
    assert as_percent(0.0625) == "6.3 %"
    assert as_percent(0.9996) == "> 99.9 %"
    with translation.override("es"):
        assert decimal(56.25) == "56,3"
