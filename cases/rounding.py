"""How numbers are rounded before a person or another system reads them. No queries here."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# A double holds 15 decimal digits; what lies behind them is the noise of arithmetic.
SIGNIFICANT_DIGITS = 15


def half_up(value: float, decimals: int) -> Decimal:
    """Round as laboratories do: a half goes away from zero, so 6.25 is 6.3 and not 6.2.

    What is rounded is the decimal number that is meant, not the binary one beside it: 1 of 16 is
    6.25 %, and 0.15, which no double holds, becomes 0.2.

    Args:
        value: a finite number.
        decimals: decimals to keep, 0 or more.
    """
    meant = Decimal(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return meant.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
