"""The place of a case in the work list, kept where an index can order by it.

``SmearCase.work_order`` is worked out by the database from columns of the case. Two of them say
what its cells are; whoever changes cells has them counted anew in the same transaction. The
worker's sweep looks after every case that changed, so that a count that was missed does not stay.
"""

from __future__ import annotations

import logging

from cases.models import SmearCase

logger = logging.getLogger(__name__)

MENDED_AT_ONCE = 500


def refresh_work_order(*, case_id: int) -> None:
    """Count a case's cells for the work list, at the end of the transaction that changed them."""
    cases = SmearCase.objects.filter(pk=case_id)
    cases.update(**cases.counted_anew())


def mend_work_order() -> int:
    """Look through all waiting cases, and mend and report those at a wrong place.

    Returns:
        How many there were; more than ``MENDED_AT_ONCE`` are left for the next time.
    """
    wrong = list(SmearCase.objects.out_of_order().values_list("pk", flat=True)[:MENDED_AT_ONCE])
    for case_id in wrong:
        refresh_work_order(case_id=case_id)
    if wrong:
        logger.warning("%s cases stood at a wrong place of the work list; mended.", len(wrong))
    return len(wrong)
