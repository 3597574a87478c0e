"""Pages of the model's side, through Django's test client."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cases.failures import failure_message
from cases.models import Cell, SmearCase, User
from classifier.models import ModelVersion
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, answer, no_answer, queue_cells
from tests.factories import LaboratoryFactory, member, named_cell

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(case: SmearCase) -> User:
    return member(case.laboratory, "reviewer", username="rafael")


@pytest.fixture
def client(reviewer: User) -> Client:
    client = Client()
    client.force_login(reviewer)
    return client


@pytest.fixture
def cell(case: SmearCase, version: ModelVersion) -> Cell:
    """A cell the model took for a monocyte, at 62.5 %."""
    (queued,) = queue_cells(case, 1)
    run_pending(predictor=FakePredictor(reply=lambda picture: answer("monocyte", 0.625)))
    queued.refresh_from_db()
    return queued


def text_of(page: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def address_of(cell: Cell) -> str:
    return reverse("cell_detail", args=[cell.pk])


def test_a_cell_page_tells_what_the_model_says(client: Client, cell: Cell) -> None:
    page = client.get(address_of(cell))
    words = text_of(page)
    assert "Monocyte 62.50 %" in words
    assert "Neutrophil 5.36 %" in words
    assert "Predicted: Monocyte 62.5 %" in words
    heatmap = re.search(r'id="heatmap"[^>]*src="([^"]+)"', page.content.decode())
    assert heatmap is not None
    picture = client.get(heatmap[1].replace("&amp;", "&"))
    assert picture["Content-Type"] == "image/png"


def test_a_correction_on_the_cell_page_stands_in_its_history(client: Client, cell: Cell) -> None:
    data = {"to_class": "blast", "comment": "Nucleolus.", "expected_version": cell.version}
    page = client.post(address_of(cell), data, follow=True)
    words = text_of(page)
    assert "Cell 1 is now: Blast." in words or "is now: Blast." in words
    assert "Monocyte → changed to Blast" in words
    assert "Nucleolus." in words
    assert "Predicted: Monocyte" in words
    late = client.post(address_of(cell), data)
    assert late.status_code == 409
    assert "Somebody was faster" in text_of(late)


def test_previous_and_next_follow_the_gallery_and_its_filter(
    client: Client, case: SmearCase
) -> None:
    cells = [
        named_cell(case, code, confidence=confidence)
        for code, confidence in (("monocyte", 0.9), ("neutrophil", 0.3), ("monocyte", 0.5))
    ]

    def neighbours(cell: Cell, query: str = "") -> dict[str, int]:
        page = client.get(address_of(cell) + query).content.decode()
        found = re.findall(r'rel="(prev|next)"\s+id="[a-z-]+"\s+href="/cells/(\d+)/', page)
        return {way: int(pk) for way, pk in found}

    assert neighbours(cells[2]) == {"prev": cells[1].pk, "next": cells[0].pk}
    assert neighbours(cells[1]) == {"next": cells[2].pk}
    assert neighbours(cells[2], "?class=monocyte") == {"next": cells[0].pk}


def test_save_and_next_goes_on_within_the_filter(client: Client, case: SmearCase) -> None:
    first = named_cell(case, "monocyte", confidence=0.4, review_state="needs_review")
    named_cell(case, "monocyte", confidence=0.5)
    third = named_cell(case, "monocyte", confidence=0.6, review_state="needs_review")
    data = {"to_class": "monocyte", "expected_version": 0, "save_next": "1"}
    answer = client.post(address_of(first) + "?review=1", data)
    assert answer["Location"] == address_of(third) + "?review=1"


def test_a_technician_sees_the_cell_without_the_control(case: SmearCase, cell: Cell) -> None:
    client = Client()
    client.force_login(member(case.laboratory, "technician"))
    assert "reclassify-card" not in client.get(address_of(cell)).content.decode()
    data = {"to_class": "blast", "expected_version": cell.version}
    assert client.post(address_of(cell), data).status_code == 403


def test_failed_images_tell_why_and_are_tried_again(
    client: Client, case: SmearCase, version: ModelVersion
) -> None:
    queue_cells(case, 1)
    run_pending(predictor=FakePredictor(reply=lambda picture: no_answer()))
    failed = Cell.objects.get()
    reason = str(failure_message(failed.failure_code))
    address = reverse("case_failures", args=[case.pk])
    assert reason in text_of(client.get(address))
    assert reason in text_of(client.get(address_of(failed)))
    page = client.post(address, follow=True)
    assert "1 cell is queued again." in text_of(page)
    failed.refresh_from_db()
    assert failed.state == "queued"


def test_another_laboratory_sees_neither_cells_nor_failures(cell: Cell) -> None:
    stranger = Client()
    stranger.force_login(member(LaboratoryFactory(), "administrator"))
    for address in (address_of(cell), reverse("case_failures", args=[cell.case_id])):
        assert stranger.get(address).status_code == 404
        assert stranger.post(address).status_code == 404
        assert Client().get(address).status_code == 302


def test_the_model_page_shows_the_cards_figures(client: Client, version: ModelVersion) -> None:
    platelet = {"n": 235, "recall": 1.0, "recall_interval": [0.9844, 1.0]}
    evaluation = {
        "data": "pbc/test",
        "n": 1707,
        "accuracy": 0.97598,
        "accuracy_interval": [0.96756, 0.98271],
        "per_class": {"platelet": platelet},
        "confusion_matrix": [[12345]],
        "errors": [{"file": "BNE_1.jpg", "confidence": 0.99408}],
    }
    manifest = {"metrics": {"evaluation": evaluation}, "training": {"stage_1": "96 px"}}
    ModelVersion.objects.update(manifest=manifest)
    words = text_of(client.get("/models/"))
    assert "model one" in words
    assert "On 1707 images of pbc/test" in words
    assert "Accuracy 97.60 % (96.8 % – 98.3 %)" in words
    assert "Platelet 235 100.0 % (98.4 % – 100.0 %)" in words
    assert "stage 1 96 px" in words
    assert "12345" not in words
    assert "BNE_1" not in words
    assert "80.00 %" in words


def test_a_site_without_a_model_says_what_to_do(client: Client) -> None:
    assert "No model is registered" in text_of(client.get("/models/"))
