"""``/metrics`` for Prometheus. Every figure comes from rows, so any web process tells all of them.

Labels hold states, failure codes and workers' names; nothing of a laboratory or a patient.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from classifier.operations import figures
from classifier.operations.models import Worker
from classifier.operations.recording import BATCH_SIZES, CELL_MILLISECONDS, OVER

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from django.http import HttpRequest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BEARER = "Bearer "


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures as text, for whoever holds ``METRICS_TOKEN``; without one, for loopback alone."""
    if not may_scrape(request):
        answer = HttpResponse("These figures need a token.\n", "text/plain", status=401)
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


def may_scrape(request: HttpRequest) -> bool:
    """Whether the request brings the token, or comes from this machine and needs none."""
    given = request.headers.get("Authorization", "")
    if settings.METRICS_TOKEN:
        wanted = BEARER + settings.METRICS_TOKEN
        return secrets.compare_digest(given.encode(), wanted.encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False  # it came through a proxy on this machine
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class Figures:
    """Collects everything anew for each scrape: five queries."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._workers(list(Worker.objects.all()))
        yield CounterMetricFamily(
            "pbcsite_corrections",
            "Corrections and confirmations reviewers made.",
            value=figures.corrections_made(),
        )

    def _queue(self) -> Iterator[Metric]:
        depth = figures.depth()
        cells = GaugeMetricFamily(
            "pbcsite_queue_cells", "Cells in the queue by state.", labels=["state"]
        )
        cells.add_metric(["queued"], depth.queued)
        cells.add_metric(["processing"], depth.processing)
        yield cells
        yield GaugeMetricFamily(
            "pbcsite_queue_age_seconds",
            "How long the oldest cell has been waiting; 0 when none waits.",
            value=depth.age_seconds,
        )
        failed = GaugeMetricFamily(
            "pbcsite_failed_cells", "Jobs that failed and were not retried.", labels=["reason"]
        )
        for code, number in sorted(depth.failed.items()):
            failed.add_metric([code], number)
        yield failed

    def _workers(self, workers: list[Worker]) -> Iterator[Metric]:
        states = GaugeMetricFamily("pbcsite_workers", "Workers by state.", labels=["state"])
        found = [figures.state_of(each) for each in figures.present(workers)]
        for state in (figures.IDLE, figures.BUSY, figures.SILENT, figures.STOPPED):
            states.add_metric([state], found.count(state))
        yield states
        seen = GaugeMetricFamily(
            "pbcsite_worker_seen_seconds", "Since a worker's last sign of life.", labels=["worker"]
        )
        for each in figures.present(workers):
            seen.add_metric([each.name], (timezone.now() - each.seen_at).total_seconds())
        yield seen
        done = figures.totals(workers)
        yield CounterMetricFamily(
            "pbcsite_failed_batches",
            "Batches that broke as a whole and were given back.",
            value=done.sums["failed_batches"],
        )
        failures = CounterMetricFamily(
            "pbcsite_cell_failures", "Cells that could not be read.", labels=["reason"]
        )
        for code, number in sorted(done.counts["failures"].items()):
            failures.add_metric([code], number)
        yield failures
        sizes = done.counts["batch_sizes"]
        yield histogram(
            "pbcsite_batch_size",
            "Cells claimed as one batch.",
            sizes,
            BATCH_SIZES,
            done.sums["claimed"],
        )
        yield histogram(
            "pbcsite_inference_milliseconds",
            "Inference of one cell with its heatmaps: its share of the batch.",
            done.counts["cell_milliseconds"],
            CELL_MILLISECONDS,
            done.sums["milliseconds"],
        )


def histogram(
    name: str,
    documentation: str,
    counts: Counter[str],
    bounds: tuple[float, ...],
    total: float,
) -> HistogramMetricFamily:
    """Turn counts by bucket into the cumulative ones Prometheus reads."""
    cumulative, buckets = 0, []
    for bound in [*(f"{each:g}" for each in bounds), OVER]:
        cumulative += counts[bound]
        buckets.append((bound, cumulative))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=total)
