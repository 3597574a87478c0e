"""The queue and the workers, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views import View

from cases.failures import failure_message
from cases.models import Housekeeping
from cases.services.housekeeping import last_runs
from classifier.model_views import ModelPageMixin
from classifier.operations import figures, readiness
from classifier.operations.models import Worker
from classifier.operations.recording import PAST
from classifier.services.status import model_problem

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

WORKERS_PER_PAGE = 50
STATES = {
    figures.IDLE: (pgettext_lazy("worker", "waits for work"), "green"),
    figures.BUSY: (pgettext_lazy("worker", "in work"), "azure"),
    figures.SILENT: (pgettext_lazy("worker", "silent"), "red"),
    figures.STOPPED: (pgettext_lazy("worker", "stopped"), "secondary"),
}
ANSWERS = {
    readiness.OK: _("answers"),
    readiness.NO_ANSWER: _("no answer in time"),
    readiness.FAILED: _("does not answer"),
    readiness.NOT_WRITABLE: _("cannot be written to"),
}
# What is counted by each job of upkeep, in the order of the page.
FIGURES = {
    Housekeeping.Job.STORAGE: {
        "files": _("files"),
        "rows": _("rows with a file"),
        "orphans": _("files without a row"),
        "missing": _("rows without their file"),
        "folders": _("folders of tiles"),
        "orphan_folders": _("folders of tiles without a row"),
        "missing_folders": _("rows without their tiles"),
    },
    Housekeeping.Job.RETENTION: {
        "laboratories": _("laboratories with a rule"),
        "names": _("names removed"),
        "signed": _("signed cases without pictures now"),
        "unsigned": _("unsigned cases removed"),
        "failed": _("laboratories whose rules failed"),
    },
}
DISAGREEING = ("orphans", "missing", "orphan_folders", "missing_folders", "failed")


class OperationsView(ModelPageMixin, View):
    """Depth and age of the queue, what the workers do, whether everything answers.

    Numbers of the whole site: the queue is one, and they name nobody. A script asks for the part
    that changes while something waits.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        self.demand_manager()
        partial = getattr(request, "htmx", False)
        template = "partials/operations.html" if partial else "operations.html"
        return render(request, f"classifier/{template}", self.context(request))

    def context(self, request: HttpRequest) -> dict[str, Any]:
        depth = figures.depth()
        workers = Worker.objects.exclude(name=PAST).order_by("-seen_at", "name")
        page = Paginator(workers, WORKERS_PER_PAGE).get_page(request.GET.get("page"))
        rows = []
        for worker in page:
            label, tone = STATES[figures.state_of(worker)]
            rows.append({"worker": worker, "state": label, "tone": tone})
        return {
            "depth": depth,
            "failed": sum(depth.failed.values()),
            "failures": [
                {"number": number, "reason": failure_message(code)}
                for code, number in sorted(depth.failed.items())
            ],
            "rows": rows,
            "page_obj": page,
            "alive": any(each["tone"] in ("green", "azure") for each in rows),
            "waiting": bool(depth.queued or depth.processing),
            "parts": [
                {"label": readiness.LABELS[name], "answer": answer, "said": said(answer)}
                for name, answer in readiness.examination.answers().items()
            ],
            "upkeep": upkeep(),
        }


def upkeep() -> list[dict[str, Any]]:
    """What the site does by itself once a day: when it last did, and what it found."""
    runs = last_runs()
    rows = []
    for job in Housekeeping.Job:
        run = runs.get(job)
        numbers = run.figures if run else {}
        disagree = any(numbers.get(name) for name in DISAGREEING)
        found = [
            {"label": label, "number": numbers[name]}
            for name, label in FIGURES[job].items()
            if name in numbers
        ]
        rows.append({"label": job.label, "run": run, "found": found, "disagrees": disagree})
    return rows


def said(answer: readiness.Answer) -> Any:
    """The answer in the reader's language; only the model has words of its own."""
    return ANSWERS.get(answer.detail) or model_problem() or answer.detail
