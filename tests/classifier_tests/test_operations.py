"""What administrators and Prometheus are told of the queue and the workers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from cases.models import Cell, SmearCase
from cases.services.corrections import correct_cell
from classifier.models import ClassificationJob, Worker
from classifier.operations import recording
from classifier.operations.figures import state_of
from classifier.operations.readiness import Answer, examination
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, no_answer, queue_cells
from tests.factories import CaseImageFactory, CellFactory, SmearCaseFactory, member

TOKEN = {"Authorization": "Bearer of-the-test-suite-only"}


@pytest.fixture
def working(db: None, settings: Any) -> Iterator[None]:
    """This process is a worker, as Celery's would enter itself."""
    settings.CLASSIFY_BATCH_SIZE = 4
    recording.start("celery@test")
    yield
    recording.stop()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What the parts of the site answer, without asking them."""
    said = {name: Answer(True, "ok", 1.0) for name in ("database", "broker", "storage", "model")}
    monkeypatch.setattr(examination, "answers", lambda: said)
    return said


def scraped(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and labels' values, read as Prometheus reads them."""
    answered = client.get("/metrics", headers=TOKEN)
    assert answered.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answered.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_figures_are_exactly_what_the_rows_say(
    working: None, client: Client, case: SmearCase
) -> None:
    make_version()
    replies = iter([answer("neutrophil"), no_answer(), *[answer("monocyte")] * 4])
    queue_cells(case, 6)
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    cell = Cell.objects.filter(state="done").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=member(case.laboratory, "reviewer"), to_class="blast")
    (waiting, *_rest) = queue_cells(case, 3)
    long_ago = timezone.now() - timedelta(seconds=90)
    Cell.objects.filter(pk=waiting.pk).update(created_at=long_ago)

    told = scraped(client)
    assert told["pbcsite_queue_cells"] == {("queued",): 3, ("processing",): 0}
    assert told["pbcsite_queue_age_seconds"][()] == pytest.approx(90, abs=20)
    assert told["pbcsite_failed_cells"] == {("undecodable",): 1}
    assert told["pbcsite_cell_failures_total"] == {("undecodable",): 1}
    assert told["pbcsite_corrections_total"] == {(): 1}
    # Six cells in batches of four and two; five of them were read.
    sizes = told["pbcsite_batch_size_bucket"]
    assert [sizes[each,] for each in ("1", "2", "4", "+Inf")] == [0, 1, 2, 2]
    assert told["pbcsite_batch_size_sum"] == {(): 6}
    assert told["pbcsite_inference_milliseconds_count"] == {(): 5}
    assert told["pbcsite_inference_milliseconds_sum"][()] > 0
    assert told["pbcsite_workers"]["idle",] == 1


def test_a_batch_that_breaks_is_told_too(working: None, client: Client, case: SmearCase) -> None:
    make_version()
    queue_cells(case, 2)

    def broken(pictures: Any) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        run_pending(predictor=FakePredictor(before=broken))
    told = scraped(client)
    assert told["pbcsite_failed_batches_total"] == {(): 1}
    assert told["pbcsite_batch_size_count"] == {(): 1}
    assert told["pbcsite_inference_milliseconds_count"] == {(): 0}


def test_sums_outlive_the_worker(working: None, client: Client, case: SmearCase) -> None:
    make_version()
    queue_cells(case, 5)
    run_pending(predictor=FakePredictor())
    before = scraped(client)
    recording.stop()
    Worker.objects.update(seen_at=timezone.now() - timedelta(days=8))
    assert recording.fold_past() == 1
    after = scraped(client)
    assert Worker.objects.get().name == recording.PAST
    for name in ("pbcsite_batch_size_bucket", "pbcsite_inference_milliseconds_bucket"):
        assert after[name] == before[name]
    assert after["pbcsite_workers"] == {("idle",): 0, ("busy",): 0, ("silent",): 0, ("stopped",): 0}


def test_a_database_that_fails_to_note_stops_no_batch(
    working: None, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any) -> None:
        raise DatabaseError("full")

    monkeypatch.setattr(recording, "_add", failing)
    make_version()
    queue_cells(case, 1)
    assert run_pending(predictor=FakePredictor()) == 1


def test_states_follow_the_signs_of_life(db: None) -> None:
    now = timezone.now()
    worker = Worker(name="w", started_at=now, seen_at=now)
    assert state_of(worker) == "idle"
    worker.busy_since = now
    assert state_of(worker) == "busy"
    worker.seen_at = now - timedelta(seconds=61)
    assert state_of(worker) == "silent"
    worker.stopped_at = now
    assert state_of(worker) == "stopped"


def test_no_label_and_no_figure_names_anybody(working: None, client: Client) -> None:
    case = SmearCaseFactory(accession_number="zebra-1", patient__name="zebra patient")
    make_version()
    queue_cells(case, 2)
    run_pending(predictor=FakePredictor())
    text = client.get("/metrics", headers=TOKEN).content.decode()
    assert "zebra" not in text
    assert set(re.findall(r'(\w+)="', text)) <= {"state", "reason", "worker", "le"}


@pytest.mark.parametrize(
    ("token", "headers", "address", "status"),
    [
        ("a-token-of-the-test", {}, "127.0.0.1", 401),
        ("a-token-of-the-test", {"Authorization": "Bearer wrong"}, "127.0.0.1", 401),
        ("a-token-of-the-test", {"Authorization": "Bearer ä"}, "127.0.0.1", 401),
        ("a-token-of-the-test", {"Authorization": "Bearer a-token-of-the-test"}, "10.0.0.9", 200),
        ("", {}, "127.0.0.1", 200),
        ("", {}, "::1", 200),
        ("", {}, "10.0.0.9", 401),
        ("", {}, "not an address", 401),
        ("", {"X-Forwarded-For": "10.0.0.9"}, "127.0.0.1", 401),
        ("", {"Authorization": "Bearer "}, "10.0.0.9", 401),
    ],
)
@pytest.mark.django_db
def test_who_may_scrape(
    client: Client,
    settings: Any,
    token: str,
    headers: dict[str, str],
    address: str,
    status: int,
) -> None:
    settings.METRICS_TOKEN = token
    answered = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answered.status_code == status
    assert (b"pbcsite_queue_cells" in answered.content) == (status == 200)


@pytest.mark.django_db
def test_a_scrape_asks_a_bounded_number_of_times(client: Client, case: SmearCase) -> None:
    def queries(rows: int) -> int:
        now = timezone.now()
        for number in range(rows):
            Worker.objects.create(name=f"w{rows}-{number}", started_at=now, seen_at=now)
        queue_cells(case, rows)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            scraped(client)
        return len(asked)

    assert queries(1) == queries(20) <= 6


def test_the_page_shows_what_an_administrator_needs(
    working: None, case: SmearCase, parts: dict[str, Answer]
) -> None:
    make_version()
    queue_cells(case, 2)
    run_pending(predictor=FakePredictor(reply=lambda picture: no_answer()))
    queue_cells(case, 1)
    client = Client()
    client.force_login(member(case.laboratory, "administrator"))
    page = client.get("/operations/").content.decode()
    assert "celery@test" in page
    assert "waits for work" in page
    assert "The image could not be decoded." in page
    assert "no worker gives a sign of life" not in page
    assert 'hx-trigger="every 5s"' in page

    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    parts["broker"] = Answer(False, "does not answer", 2000)
    part = client.get("/operations/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "silent" in part
    assert "no worker gives a sign of life" in part
    assert "does not answer" in part


@pytest.mark.django_db
def test_the_page_stays_still_while_nothing_waits_and_asks_little(
    case: SmearCase, parts: dict[str, Answer]
) -> None:
    client = Client()
    client.force_login(member(case.laboratory, "administrator"))
    assert b"hx-trigger" not in client.get("/operations/").content
    counts = []
    for cells in (1, 30):
        for _ in range(cells):
            cell = CellFactory(case=case, image=CaseImageFactory(case=case), state="failed")
            ClassificationJob.objects.create(
                cell=cell, model_version=_version(), state="failed", failure_code="undecodable"
            )
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/operations/").status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 12


def _version() -> Any:
    from classifier.models import ModelVersion

    return ModelVersion.objects.first() or make_version()
