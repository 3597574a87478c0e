"""The rule for cells that the border of a field cuts.

``left_top`` counts as a counting chamber is counted: cells on the left and top edges belong to
the field, those on the right and bottom ones to its neighbours, so that of adjoining fields every
cell is counted once: the unbiased counting frame of Gundersen HJG, "Notes on the estimation of the
numerical density of arbitrary profiles: the edge effect", Journal of Microscopy 1977;111:219-223.
As there, a cell on two edges is left out when one of them is right or bottom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F

from cases.field_querysets import UNCOUNTED_EDGES
from cases.models import Cell, Detection, Exclusion, LaboratorySettings, SmearCase
from cases.services.revisions import next_revision
from cases.services.work_order import refresh_work_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cases.models import Box, CaseImage

Rule = LaboratorySettings.BorderRule
# A drawn box this near to an edge, in pixels, touches it.
TOUCHES = 1


def edges_cutting(image: CaseImage, box: Box) -> list[str]:
    """The edges of the image that a box touches."""
    distances = {
        "left": box.left,
        "top": box.top,
        "right": image.width - box.right,
        "bottom": image.height - box.bottom,
    }
    return [name for name, distance in distances.items() if distance <= TOUCHES]


def border_exclusion(rule: str, edges: Iterable[str]) -> Exclusion:
    """Whether a cell cut by these edges counts under a rule."""
    left_out = rule == Rule.LEFT_TOP and any(edge in UNCOUNTED_EDGES for edge in edges)
    return Exclusion.BORDER if left_out else Exclusion.NONE


def apply_border_rule(*, laboratory_id: int, rule: str) -> int:
    """Bring the open cases of a laboratory in line with its rule, inside a transaction.

    Signed cases keep what was signed. A cell that stands for its duplicates goes on counting.

    Returns:
        How many cells changed.
    """
    wanted, other = (
        (Exclusion.BORDER, Exclusion.NONE)
        if rule == Rule.LEFT_TOP
        else (Exclusion.NONE, Exclusion.BORDER)
    )
    rows = Detection.objects.filter(
        image__case__laboratory_id=laboratory_id, excluded=other
    ).exclude(image__case__status__in=SmearCase.FROZEN)
    rows = rows.filter(duplicates=None).cut_by_uncounted_edges()
    changed = 0
    cases = rows.order_by("image__case_id").values_list("image__case_id", flat=True).distinct()
    for case_id in list(cases):
        keys = list(rows.of_case(case_id).values_list("pk", flat=True))
        cells = Cell.objects.filter(detection__in=keys).exclude(excluded=Exclusion.OTHER_KIND)
        list(cells.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
        revision = next_revision(case_id=case_id)
        cells.filter(excluded=other).update(
            excluded=wanted, version=F("version") + 1, revision=revision
        )
        changed += Detection.objects.filter(pk__in=keys).update(
            excluded=wanted, version=F("version") + 1, revision=revision
        )
        refresh_work_order(case_id=case_id)
    return changed
