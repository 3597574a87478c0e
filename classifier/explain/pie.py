"""A pie as SVG paths, drawn on the server: no script, and attributes a strict policy allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RADIUS = 48.0
CENTRE = 50.0


@dataclass(frozen=True)
class Slice:
    """One sector of a circle in a square of 100 by 100.

    Attributes:
        path: of an SVG path; empty for a full circle, which no arc can draw.
        color: its fill.
    """

    path: str
    color: str


def slices_of(values: Sequence[tuple[str, float]]) -> list[Slice]:
    """Return the sectors of positive values, clockwise from the top.

    Args:
        values: colours and sizes.
    """
    total = sum(value for _color, value in values if value > 0)
    slices = []
    angle = 0.0
    for color, value in values:
        if value <= 0:
            continue
        share = value / total
        if share > 0.9999:
            return [Slice("", color)]
        start, angle = angle, angle + share
        x1, y1 = _on_circle(start)
        x2, y2 = _on_circle(angle)
        wide = int(share > 0.5)
        path = (
            f"M{CENTRE:.0f} {CENTRE:.0f}L{x1:.3f} {y1:.3f}"
            f"A{RADIUS:.0f} {RADIUS:.0f} 0 {wide} 1 {x2:.3f} {y2:.3f}Z"
        )
        slices.append(Slice(path, color))
    return slices


def _on_circle(turns: float) -> tuple[float, float]:
    angle = 2 * math.pi * turns
    return CENTRE + RADIUS * math.sin(angle), CENTRE - RADIUS * math.cos(angle)
