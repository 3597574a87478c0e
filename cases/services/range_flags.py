"""How many classes of a case stand outside their range, kept for the order of the work list.

A result is worked out where it is shown; the work list orders thousands of cases by it, and so
needs a column. Whatever changes a result leaves ``range_flags_due`` on the case, in the transaction
that changes it, and the worker's sweep works out what is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from cases.models import SmearCase
from cases.services.results import case_result
from cases.services.work_order import refresh_work_order

if TYPE_CHECKING:
    from collections.abc import Callable

CASES_AT_ONCE = 200


def refresh_range_flags(*, should_stop: Callable[[], bool] = bool) -> int:
    """Work out what is due of the waiting cases, at most 200; returns how many were worked out.

    The mark goes first, in the same transaction: a change that comes meanwhile waits for the
    case's row, and then marks it again.
    """
    done = 0
    due = SmearCase.objects.with_range_flags_due().order_by("id").values_list("pk", flat=True)
    for pk in list(due[:CASES_AT_ONCE]):
        if should_stop():
            break
        with transaction.atomic():
            row = SmearCase.objects.with_range_flags_due().filter(pk=pk)
            if not row.update(range_flags_due=False):
                continue
            case = SmearCase.objects.select_related("patient").get(pk=pk)
            flags = len(case_result(case=case).flags)
            SmearCase.objects.filter(pk=pk).exclude(range_flags=flags).update(range_flags=flags)
            refresh_work_order(case_id=pk)
        done += 1
    return done
