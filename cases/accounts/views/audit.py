"""The audit trail of an administrator's laboratory: search, and take away as CSV."""

from __future__ import annotations

import csv
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.generic import ListView

from cases.accounts.forms import AuditFilterForm
from cases.accounts.views.members import ManagerMixin
from cases.audit.models import AuditEntry
from cases.models import SmearCase

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_PAGE = 50
COLUMNS = (
    "sequence", "at", "user_id", "username", "laboratory_id", "case_id", "action", "subject",
    "address", "details", "digest",
)  # fmt: skip
# What spreadsheets take for a formula is written as text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class AuditListView(ManagerMixin, ListView):
    """Entries of the chosen laboratory, newest first."""

    template_name = "accounts/audit.html"
    context_object_name = "entries"
    paginate_by = PER_PAGE

    def get_form(self) -> AuditFilterForm:
        return AuditFilterForm(self.request.GET)

    def get_queryset(self) -> Any:
        laboratory = self.chosen_laboratory()
        form = self.get_form()
        entries = AuditEntry.objects.of_laboratories([laboratory.pk])
        if not form.is_valid():
            return entries.none()
        given = form.cleaned_data
        case_id = None
        if given["case"]:
            cases = self.policy.cases().filter(laboratory=laboratory)
            found = cases.filter(accession_number__iexact=given["case"]).first()
            case_id = found.pk if found else -1
        return entries.search(
            text=given["who"],
            action=given["action"],
            case_id=case_id,
            begin=_midnight(given["begin"]),
            end=_midnight(given["end"], days=1),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        shown = list(context["entries"])
        names = SmearCase.objects.filter(pk__in={each.case_id for each in shown if each.case_id})
        numbers = dict(names.values_list("pk", "accession_number"))
        rows = [{"entry": each, "accession": numbers.get(each.case_id)} for each in shown]
        return context | {
            "rows": rows,
            "form": self.get_form(),
            "laboratory": self.chosen_laboratory(),
            "laboratories": list(self.laboratories),
        }


class AuditExportView(AuditListView):
    """The same entries as CSV, all of them."""

    def render_to_response(self, context: dict[str, Any], **options: Any) -> Any:
        answer = StreamingHttpResponse(
            rows_of(self.get_queryset()), content_type="text/csv; charset=utf-8"
        )
        answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
        return answer


class _Line:
    """What csv writes to: hands each line back."""

    def write(self, text: str) -> str:
        return text


def rows_of(entries: Any) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for values in entries.values_list(*COLUMNS).iterator(chunk_size=1000):
        yield writer.writerow([_cell(each) for each in values])


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _midnight(day: date | None, *, days: int = 0) -> datetime | None:
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min))
