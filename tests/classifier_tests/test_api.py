"""The API of predictions, heatmaps, model versions and retries."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from rest_framework.test import APIClient

from cases.models import Cell, Role, SmearCase, User
from classifier.models import ModelVersion, Prediction
from classifier.services import work
from tests.classifier_tests.fakes import (
    FakePredictor,
    answer,
    make_version,
    no_answer,
    queue_cells,
)
from tests.factories import LaboratoryFactory, SmearCaseFactory, UserFactory, member

API = "/api/v1"


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def cells(version: ModelVersion, case: SmearCase) -> list[Cell]:
    cells = queue_cells(case, 3)
    work.run_pending(predictor=FakePredictor())
    return cells


@pytest.fixture
def technician(case: SmearCase) -> APIClient:
    return client_of(member(case.laboratory))


def test_predictions_are_listed_without_blobs_and_filtered(
    technician: APIClient, cells: list[Cell], version: ModelVersion
) -> None:
    rows = technician.get(f"{API}/predictions/").json()["results"]
    assert [row["cell"] for row in rows] == [cell.pk for cell in reversed(cells)]
    first = rows[0]
    assert first["predicted_class"] == "monocyte"
    assert first["probabilities"]["monocyte"] == pytest.approx(0.9)
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first["heatmap_peaks"]["monocyte"] == pytest.approx(2.5)
    assert first["model_name"] == version.name
    assert not {"heatmaps", "embedding"} & set(first)
    for query, count in (
        (f"cell={cells[0].pk}", 1),
        (f"case={cells[0].case_id}", 3),
        ("case=987654", 0),
        (f"model_version={version.pk}", 3),
        (f"model_version={version.pk + 1}", 0),
    ):
        found = technician.get(f"{API}/predictions/?{query}").json()["results"]
        assert len(found) == count, query
    single = technician.get(f"{API}/predictions/{first['id']}/")
    assert single.json() == first


def test_a_page_of_predictions_costs_constant_queries(
    technician: APIClient, cells: list[Cell], django_assert_num_queries: Any
) -> None:
    technician.get(f"{API}/predictions/")
    with django_assert_num_queries(3):  # memberships, blinded readings, rows
        technician.get(f"{API}/predictions/")


def test_pages_follow_a_cursor(technician: APIClient, cells: list[Cell]) -> None:
    page = technician.get(f"{API}/predictions/?page_size=2").json()
    rest = technician.get(page["next"]).json()
    assert [row["cell"] for row in page["results"] + rest["results"]] == [
        cell.pk for cell in reversed(cells)
    ]
    assert rest["next"] is None


def test_predictions_cannot_be_changed(technician: APIClient, cells: list[Cell]) -> None:
    address = f"{API}/predictions/{Prediction.objects.first().pk}/"
    for method in ("put", "patch", "delete"):
        assert getattr(technician, method)(address, {}).status_code == 405


def test_a_heatmap_is_a_private_picture_with_an_etag(
    technician: APIClient, cells: list[Cell]
) -> None:
    address = f"{API}/cells/{cells[0].pk}/heatmap/"
    answered = technician.get(address, {"size": 100, "alpha": "0.5"})
    assert answered["Content-Type"] == "image/png"
    assert "private" in answered["Cache-Control"]
    picture = Image.open(BytesIO(answered.content))
    assert (picture.size, picture.mode) == ((100, 100), "RGBA")
    assert picture.getchannel("A").getextrema()[1] == 128

    again = technician.get(
        address, {"size": 100, "alpha": "0.5"}, HTTP_IF_NONE_MATCH=answered["ETag"]
    )
    assert (again.status_code, again.content) == (304, b"")
    other = technician.get(address, {"class": "platelet"}, HTTP_IF_NONE_MATCH=answered["ETag"])
    assert other.status_code == 200
    assert Image.open(BytesIO(other.content)).getchannel("A").getextrema() == (0, 0)
    assert technician.get(address, HTTP_ACCEPT="image/png").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("size=5", "size"),
        ("size=100000", "size"),
        ("size=x", "size"),
        ("alpha=1.5", "alpha"),
        ("alpha=nan", "alpha"),
        ("class=blast", "class"),
        ("model_version=x", "model_version"),
        ("model_version=99999999999999999999999", "model_version"),
    ],
)
def test_a_heatmap_asked_wrongly_is_a_problem_by_field(
    technician: APIClient, cells: list[Cell], query: str, field: str
) -> None:
    answered = technician.get(f"{API}/cells/{cells[0].pk}/heatmap/?{query}")
    assert answered.status_code == 400
    assert answered["Content-Type"] == "application/problem+json"
    assert list(answered.json()["errors"]) == [field]


def test_the_heatmap_of_each_model_can_be_asked_for(
    technician: APIClient, cells: list[Cell], version: ModelVersion
) -> None:
    other = make_version("model two", active=False)
    before = technician.get(f"{API}/cells/{cells[0].pk}/heatmap/")
    kept = Prediction.objects.get(cell=cells[0])
    values = {
        field.attname: getattr(kept, field.attname)
        for field in Prediction._meta.concrete_fields
        if field.name not in ("id", "model_version", "made_at")
    }
    Prediction.objects.create(**values, model_version=other)
    address = f"{API}/cells/{cells[0].pk}/heatmap/"
    # Left out, it is that of the version that named the cell, not of one that ran over it later.
    assert technician.get(address)["ETag"] == before["ETag"]
    named = technician.get(address, {"model_version": version.pk})
    assert named["ETag"] == before["ETag"]
    assert technician.get(address, {"model_version": other.pk})["ETag"] != before["ETag"]
    assert technician.get(address, {"model_version": other.pk + 1}).status_code == 404


def test_a_cell_not_classified_yet_says_so(technician: APIClient, case: SmearCase) -> None:
    cell = queue_cells(case, 1)[0]
    answered = technician.get(f"{API}/cells/{cell.pk}/heatmap/")
    assert (answered.status_code, answered.json()["code"]) == (404, "no_prediction")


def test_another_laboratory_sees_nothing(cells: list[Cell], case: SmearCase) -> None:
    stranger = client_of(member(LaboratoryFactory(), Role.ADMINISTRATOR))
    prediction = Prediction.objects.filter(cell=cells[0]).get()
    assert stranger.get(f"{API}/predictions/").json()["results"] == []
    for address in (f"predictions/{prediction.pk}/", f"cells/{cells[0].pk}/heatmap/"):
        assert stranger.get(f"{API}/{address}").status_code == 404
    assert stranger.post(f"{API}/cases/{case.pk}/retry/").status_code == 404
    assert stranger.get(f"{API}/cells/{10**17}/heatmap/").status_code == 404


def test_nobody_is_asked_to_log_in(cells: list[Cell], case: SmearCase) -> None:
    nobody = client_of(None)
    for address in (
        "predictions/",
        "model-versions/",
        "heatmap-legend/",
        f"cells/{cells[0].pk}/heatmap/",
    ):
        assert nobody.get(f"{API}/{address}").status_code == 401
    assert nobody.post(f"{API}/cases/{case.pk}/retry/").status_code == 401


def test_model_versions_are_for_members(technician: APIClient, version: ModelVersion) -> None:
    make_version("model two", active=False)
    rows = technician.get(f"{API}/model-versions/").json()["results"]
    assert [row["name"] for row in rows] == ["model two", "model one"]
    (active,) = technician.get(f"{API}/model-versions/?active=true").json()["results"]
    assert active["id"] == version.pk
    assert active["manifest"] == {"crop": 0.75}
    guest = client_of(UserFactory())
    assert guest.get(f"{API}/model-versions/").json()["results"] == []
    assert guest.get(f"{API}/model-versions/{version.pk}/").status_code == 404


def test_the_legend_is_a_picture(technician: APIClient) -> None:
    answered = technician.get(f"{API}/heatmap-legend/?alpha=1")
    assert Image.open(BytesIO(answered.content)).size == (256, 16)
    assert technician.get(f"{API}/heatmap-legend/?alpha=7").status_code == 400


def test_failed_cells_are_retried(
    technician: APIClient, version: ModelVersion, case: SmearCase
) -> None:
    queue_cells(case, 2)
    work.run_pending(predictor=FakePredictor(reply=lambda picture: no_answer()))
    elsewhere = queue_cells(SmearCaseFactory(), 1)[0]
    Cell.objects.filter(pk=elsewhere.pk).update(state="failed")
    answered = technician.post(f"{API}/cases/{case.pk}/retry/")
    assert (answered.status_code, answered.json()) == (200, {"queued": 2})
    assert technician.post(f"{API}/cases/{case.pk}/retry/").json() == {"queued": 0}
    assert technician.get(f"{API}/cases/{case.pk}/retry/").status_code == 405
    assert Cell.objects.get(pk=elsewhere.pk).state == "failed"
    work.run_pending(predictor=FakePredictor(reply=lambda picture: answer("ig")))
    assert set(case.cells.values_list("label__code", flat=True)) == {"ig"}


def test_a_signed_off_case_is_not_retried(technician: APIClient, case: SmearCase) -> None:
    SmearCase.objects.update(status=SmearCase.Status.SIGNED_OFF)
    answered = technician.post(f"{API}/cases/{case.pk}/retry/")
    assert (answered.status_code, answered.json()["code"]) == (409, "case_signed_off")
