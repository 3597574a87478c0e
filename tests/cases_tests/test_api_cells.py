"""The API: cells, corrections, counts, and how few queries lists need."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from cases.models import Correction, Laboratory, Role, SmearCase
from tests.cases_tests.api_client import API, assert_problem, client_of, send
from tests.factories import (
    CaseImageFactory,
    CellFactory,
    CorrectionFactory,
    PatientFactory,
    SmearCaseFactory,
    member,
    named_cell,
    upload,
)

pytestmark = pytest.mark.django_db


def test_cells_are_filtered(client: APIClient, case: SmearCase) -> None:
    sure = named_cell(case, "neutrophil", confidence=0.99)
    unsure = named_cell(case, "monocyte", confidence=0.4, review_state="needs_review")
    waiting = CellFactory(case=case)
    elsewhere = named_cell(SmearCaseFactory(laboratory=case.laboratory), "neutrophil")

    def found(query: str) -> set[int]:
        answer = client.get(f"{API}/cells/?{query}")
        assert answer.status_code == 200, answer.content
        return {each["id"] for each in answer.data["results"]}

    assert found("") == {sure.pk, unsure.pk, waiting.pk, elsewhere.pk}
    assert found(f"case={case.pk}") == {sure.pk, unsure.pk, waiting.pk}
    assert found(f"case={case.pk}&label=neutrophil") == {sure.pk}
    assert found("label=none") == {waiting.pk}
    assert found("source=model") == {sure.pk, unsure.pk, elsewhere.pk}
    assert found("source=reviewer") == set()
    assert found("needs_review=true") == {unsure.pk}
    assert found("needs_review=false") == {sure.pk, waiting.pk, elsewhere.pk}
    assert found("needs_review=1") == {unsure.pk}
    assert found("needs_review=False") == {sure.pk, waiting.pk, elsewhere.pk}
    assert found("state=queued") == {waiting.pk}
    assert found("confidence_min=0.4&confidence_max=0.9") == {unsure.pk, elsewhere.pk}
    for wrong in (
        "label=dragon", "state=x", "confidence_min=2", "case=x", "ordering=label",
        "needs_review=maybe", "needs_review=%00", "page_size=0", "page_size=-1", "page_size=x",
    ):  # fmt: skip
        assert_problem(client.get(f"{API}/cells/?{wrong}"), 400, "invalid")


@pytest.mark.parametrize("ordering", ["id", "-id", "confidence", "-confidence"])
def test_every_page_of_every_order_shows_each_cell_once(
    client: APIClient, case: SmearCase, ordering: str
) -> None:
    # Many equal confidences, and many cells without any.
    for number in range(24):
        if number % 3:
            named_cell(case, "neutrophil", confidence=(0.1 + 0.2, 0.9)[number % 2])
        else:
            CellFactory(case=case)
    url = f"{API}/cells/?case={case.pk}&ordering={ordering}&page_size=5"
    seen: list[dict[str, Any]] = []
    pages = 0
    previous = None
    while url:
        answer = client.get(url).data
        seen += answer["results"]
        previous, url = answer["previous"], answer["next"]
        pages += 1
    assert pages == 5
    assert len({each["id"] for each in seen}) == len(seen) == 24
    turned = ordering.startswith("-")
    if "confidence" in ordering:
        keys = [(2.0 if e["confidence"] is None else e["confidence"], e["id"]) for e in seen]
    else:
        keys = [(0.0, each["id"]) for each in seen]
    assert keys == sorted(keys, reverse=turned)

    backwards: list[int] = []
    while previous:
        answer = client.get(previous).data
        backwards = [each["id"] for each in answer["results"]] + backwards
        previous = answer["previous"]
    assert backwards == [each["id"] for each in seen][: len(backwards)]
    assert len(backwards) == 20


def test_a_page_stays_put_while_cells_change(client: APIClient, case: SmearCase) -> None:
    cells = [named_cell(case, "neutrophil", confidence=0.5) for _ in range(6)]
    first = client.get(f"{API}/cells/?ordering=confidence&page_size=3").data
    # Two of those already shown move to the end; an offset would skip two others.
    for cell in cells[:2]:
        cell.confidence = 0.9
        cell.save()
    second = client.get(first["next"]).data
    assert [each["id"] for each in second["results"]] == [each.pk for each in cells[3:6]]


def test_forged_cursors_are_refused(client: APIClient, case: SmearCase) -> None:
    for _ in range(3):
        CellFactory(case=case)
    link = client.get(f"{API}/cells/?page_size=1").data["next"]
    forged = link.replace("cursor=", "cursor=x")
    assert_problem(client.get(forged), 404, "not_found")
    assert_problem(client.get(link + "&ordering=confidence"), 404)


def test_a_failure_is_told_in_words(client: APIClient, case: SmearCase) -> None:
    lost = CellFactory(case=case, state="failed", failure_code="file_missing")
    shown = client.get(f"{API}/cells/{lost.pk}/").data
    assert shown["failure_code"] == "file_missing"
    assert "Upload it again" in shown["failure"]
    sound = client.get(f"{API}/cells/{named_cell(case, 'monocyte').pk}/").data
    assert (sound["failure_code"], sound["failure"]) == ("", "")


def test_a_cell_is_corrected(client: APIClient, case: SmearCase) -> None:
    cell = named_cell(case, "neutrophil", review_state="needs_review")
    path = f"{API}/cells/{cell.pk}/corrections/"
    answer = client.post(path, {"to": "monocyte", "comment": "folded", "version": 0})
    assert answer.status_code == 201
    assert {name: answer.data[name] for name in ("from", "to", "made_by", "version")} == {
        "from": "neutrophil", "to": "monocyte", "made_by": "rita", "version": 1,
    }  # fmt: skip
    shown = client.get(f"{API}/cells/{cell.pk}/").data
    assert (shown["label"], shown["label_source"], shown["version"]) == ("monocyte", "reviewer", 1)
    body = assert_problem(client.post(path, {"to": "blast", "version": 0}), 409, "stale_cell")
    assert body["current"]["label"] == "monocyte"
    assert body["current"]["version"] == 1
    assert body["current"]["corrected_by"] == "rita"
    assert client.post(path, {"to": "blast"}).status_code == 201
    assert [each["to"] for each in client.get(path).data["results"]] == ["blast", "monocyte"]
    listed = client.get(f"{API}/corrections/?case={case.pk}").data["results"]
    assert len(listed) == 2
    body = assert_problem(client.post(path, {"to": "dragon"}), 400, "unknown_class")
    assert set(body["errors"]) == {"to"}


def test_technicians_upload_and_do_not_correct(laboratory: Laboratory, case: SmearCase) -> None:
    client = client_of(member(laboratory, Role.TECHNICIAN))
    cell = named_cell(case, "neutrophil")
    for body in ({"to": "monocyte"}, {}):
        answer = client.post(f"{API}/cells/{cell.pk}/corrections/", body)
        assert_problem(answer, 403, "not_allowed")
    assert not Correction.objects.exists()
    assert send(client, case, upload()).status_code == 201


def test_counts_of_a_case(client: APIClient, case: SmearCase) -> None:
    for code in ("neutrophil", "neutrophil", "lymphocyte", "erythroblast", "platelet"):
        named_cell(case, code)
    CellFactory(case=case, state="queued")
    CellFactory(case=case, state="failed")
    counts = client.get(f"{API}/cases/{case.pk}/counts/").data
    assert {
        name: counts[name] for name in ("status", "total", "pending", "failed", "leukocytes")
    } == {"status": "open", "total": 7, "pending": 1, "failed": 1, "leukocytes": 3}
    neutrophil = next(each for each in counts["classes"] if each["code"] == "neutrophil")
    assert (neutrophil["name"], neutrophil["count"]) == ("Neutrophil", 2)
    assert neutrophil["percent"] == pytest.approx(66.67, abs=0.01)
    assert neutrophil["ci_low"] == pytest.approx(9.43, abs=0.01)
    assert neutrophil["ci_high"] == pytest.approx(99.16, abs=0.01)
    assert (neutrophil["by_model"], neutrophil["by_reviewer"]) == (2, 0)
    assert counts["nrbc_per_100_wbc"] == pytest.approx(33.33, abs=0.01)


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize(
    ("path", "queries"),
    # Session, user, memberships and the rows; then the case of a path, or the progress of cases.
    [
        ("patients/", 4), ("cases/", 7), ("cells/", 5), ("corrections/", 5),
        ("cell-classes/", 4), ("cases/{case}/images/", 6), ("cells/{cell}/corrections/", 6),
    ],
)  # fmt: skip
def test_lists_need_the_same_few_queries_at_any_length(
    client: APIClient,
    laboratory: Laboratory,
    django_assert_num_queries: Any,
    path: str,
    queries: int,
    rows: int,
) -> None:
    case = SmearCaseFactory(laboratory=laboratory)
    cell = named_cell(case, "neutrophil")
    for number in range(rows):
        PatientFactory(laboratory=laboratory)
        CorrectionFactory(cell=cell, cell_version=number + 1)
        CorrectionFactory(cell=named_cell(SmearCaseFactory(laboratory=laboratory), "ig"))
        CaseImageFactory(case=case)
    url = f"{API}/{path.format(case=case.pk, cell=cell.pk)}"
    with django_assert_num_queries(queries):
        answer = client.get(url)
    assert len(answer.data["results"]) >= min(rows, 13)
