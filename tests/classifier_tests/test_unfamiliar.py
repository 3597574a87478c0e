"""Cells the model does not recognise: told in words, counted by nobody but a reviewer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from cases.models import Cell, SmearCase, User
from cases.services.corrections import correct_cell
from cases.services.counts import case_counts
from classifier.inference import reader_for
from classifier.models import ModelVersion, Prediction
from classifier.services.registry import register_model
from classifier.services.work import run_pending
from ml.bundle import amend_bundle
from tests.cases_tests.pages import text_of
from tests.classifier_tests.fakes import FakePredictor, answer, queue_cells
from tests.factories import member

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
def cells(case: SmearCase, version: ModelVersion) -> list[Cell]:
    """A sure neutrophil, and a picture called a sure lymphocyte that is no cell at all."""
    replies = iter(
        [
            answer("neutrophil", 0.99, unfamiliarity=3.5),
            answer("lymphocyte", 0.999, unfamiliarity=812.5, unfamiliar=True),
        ]
    )
    made = queue_cells(case, 2)
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    for cell in made:
        cell.refresh_from_db()
    return made


def counted(case: SmearCase, code: str) -> int:
    return next(each.count for each in case_counts(case=case).classes if each.code == code)


def test_the_score_and_the_flag_are_kept_with_the_prediction(cells: list[Cell]) -> None:
    kept = Prediction.objects.order_by("pk").values_list("unfamiliarity", "unfamiliar")
    assert list(kept) == [(3.5, False), (812.5, True)]


def test_an_unfamiliar_cell_is_counted_only_once_a_reviewer_names_it(
    case: SmearCase, cells: list[Cell], reviewer: User
) -> None:
    stranger = cells[1]
    assert (stranger.label, stranger.model_label) == (None, None)
    assert stranger.review_state == "needs_review"
    counts = case_counts(case=case)
    assert (counts.total, counts.leukocytes, counts.unfamiliar) == (2, 1, 1)
    assert counted(case, "lymphocyte") == 0
    assert counts.needs_review == 1
    correct_cell(cell_id=stranger.pk, user=reviewer, to_class="lymphocyte")
    counts = case_counts(case=case)
    assert (counts.leukocytes, counts.unfamiliar, counts.needs_review) == (2, 0, 0)
    assert counted(case, "lymphocyte") == 1


def test_a_reviewers_name_outlives_a_late_unfamiliar_prediction(
    case: SmearCase, version: ModelVersion, reviewer: User
) -> None:
    (cell,) = queue_cells(case, 1)
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    reply = answer("lymphocyte", unfamiliarity=9.0, unfamiliar=True)
    run_pending(predictor=FakePredictor(reply=lambda picture: reply))
    assert counted(case, "monocyte") == 1
    assert case_counts(case=case).unfamiliar == 0


def test_pages_say_unfamiliar_in_words(client: Client, case: SmearCase, cells: list[Cell]) -> None:
    words = text_of(client.get(f"/cases/{case.pk}/"))
    assert "unfamiliar, not counted 1 apart" in words
    assert '<option value="unfamiliar">' in client.get(f"/cases/{case.pk}/").content.decode()
    card = client.get(f"/cases/{case.pk}/gallery/?class=unfamiliar").content.decode()
    assert f'id="cell-{cells[1].pk}"' in card
    assert f'id="cell-{cells[0].pk}"' not in card
    words = text_of(client.get(f"/cells/{cells[1].pk}/"))
    assert "not counted until a reviewer names it" in words
    assert "Predicted: Lymphocyte" in words
    words = text_of(client.get(f"/cells/{cells[0].pk}/"))
    assert "not counted until a reviewer names it" not in words


def test_the_api_tells_it_of_cells_predictions_and_counts(
    client: Client, case: SmearCase, cells: list[Cell]
) -> None:
    v1 = "/api/v1"
    found = client.get(f"{v1}/cells/?unfamiliar=true").json()["results"]
    assert [(each["id"], each["label"], each["unfamiliar"]) for each in found] == [
        (cells[1].pk, None, True)
    ]
    (prediction,) = client.get(f"{v1}/predictions/?cell={cells[1].pk}").json()["results"]
    assert (prediction["unfamiliarity"], prediction["unfamiliar"]) == (812.5, True)
    counts = client.get(f"{v1}/cases/{case.pk}/counts/").json()
    assert (counts["unfamiliar"], counts["leukocytes"]) == (1, 1)


def test_a_bundles_detector_flags_cells_on_the_real_road(
    case: SmearCase, small_bundle: Path, tmp_path: Path, settings: Any
) -> None:
    """A detector that calls everything unfamiliar, then one that calls nothing so."""
    for name, threshold in (("all", -1e9), ("none", 1e9)):
        folder = Path(shutil.copytree(small_bundle, tmp_path / name))
        amend_bundle(
            folder,
            name=name,
            unfamiliar_arrays={"marker": np.full(1, threshold, np.float32)},
            unfamiliar={"method": "energy", "threshold": threshold},
        )
        version = register_model(folder=folder, activate=True)
        (cell,) = queue_cells(case, 1)
        run_pending(predictor=reader_for(version))
        cell.refresh_from_db()
        prediction = Prediction.objects.get(cell=cell)
        assert prediction.unfamiliarity is not None
        assert prediction.unfamiliar == cell.unfamiliar == (name == "all")
        assert (cell.label is None) == (name == "all")
    assert case_counts(case=case).unfamiliar == 1
