"""The pages and the API of the model versions: card, pictures, registering, runs, comparison."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.models import Cell, SmearCase, User
from cases.services.corrections import correct_cell
from classifier.models import ModelRun, ModelVersion, Prediction
from classifier.services import runs
from classifier.services.registry import register_model
from classifier.services.work import run_pending
from tests.cases_tests.pages import logged_in, text_of
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import LaboratoryFactory, SmearCaseFactory, member

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


@pytest.fixture
def administrator(case: SmearCase) -> User:
    return member(case.laboratory, "administrator", username="ada")


@pytest.fixture
def client(administrator: User) -> Client:
    return logged_in(administrator)


@pytest.fixture
def other(version: ModelVersion) -> ModelVersion:
    return make_version("model two", active=False)


def reviewed(case: SmearCase, other: ModelVersion, administrator: User, count: int) -> list[Cell]:
    """Cells called monocytes by the active version, basophils by the other and the reviewer."""
    cells = queue_cells(case, count)
    run_pending(predictor=FakePredictor())
    runs.start_run(user=administrator, version=other, laboratory=case.laboratory)
    run_pending(predictor=FakePredictor(reply=lambda picture: answer("basophil", 0.75)))
    for cell in cells:
        correct_cell(cell_id=cell.pk, user=administrator, to_class="basophil")
    return cells


@pytest.fixture
def shipped(bundle_path: Path, settings: Any, tmp_path: Path) -> ModelVersion:
    settings.MODEL_BUNDLES_DIR = tmp_path / "bundles"
    shutil.copytree(bundle_path, tmp_path / "bundles" / "vgg19-pbc")
    return register_model(folder=tmp_path / "bundles" / "vgg19-pbc", activate=True)


def test_the_shipped_models_card_is_on_the_page_in_both_languages(
    client: Client, shipped: ModelVersion
) -> None:
    evaluation = shipped.manifest["metrics"]["evaluation"]
    diagonal = str(evaluation["confusion_matrix"][7][7])
    for language, words in (
        ("en", ("Confusion matrix", "Calibration", "Limits", "Where it comes from")),
        ("es", ("Matriz de confusión", "Calibración", "Límites", "De dónde procede")),
    ):
        client.cookies["django_language"] = language
        for address in ("/models/", f"/models/{shipped.pk}/"):
            page = client.get(address, headers={"Accept-Language": language})
            shown = text_of(page)
            for word in (*words, diagonal):
                assert word in shown, (language, word)
            ending = ".es.png" if language == "es" else ".png"
            for name in ("confusion", "reliability", "risk-coverage", "curves"):
                assert f"pictures/{name}{ending}" in page.content.decode()


def test_pictures_come_from_the_bundle_after_a_check(
    client: Client, shipped: ModelVersion, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles" / "vgg19-pbc"
    address = f"/models/{shipped.pk}/pictures/"
    for found in (
        client.get(address + "confusion.es.png"),
        client.get(f"{V1}/model-versions/{shipped.pk}/pictures/confusion.es.png/"),
    ):
        assert b"".join(found.streaming_content) == (folder / "confusion.es.png").read_bytes()
        assert found["Content-Type"] == "image/png"
        assert "private" in found["Cache-Control"]
    assert Client().get(address + "confusion.png").status_code == 302
    for name in ("model.json", "weights.safetensors", "nothing.png", "README.md", "..%2fa.png"):
        assert client.get(address + name).status_code == 404
    (folder / "curves.png").unlink()
    (folder / "curves.png").symlink_to("/etc/hostname")
    assert client.get(address + "curves.png").status_code == 404
    # Another bundle in the same folder is not this version's.
    ModelVersion.objects.update(weights_sha256="0" * 64)
    assert client.get(address + "confusion.png").status_code == 404


def test_an_administrator_registers_and_activates_a_second_bundle(
    client: Client, version: ModelVersion, small_bundle: Path, settings: Any, tmp_path: Path
) -> None:
    settings.MODEL_BUNDLES_DIR = tmp_path
    shutil.copytree(small_bundle, tmp_path / "second")
    (tmp_path / "not-a-bundle").mkdir()
    page = client.get("/models/").content.decode()
    assert '<option value="second">' in page
    assert "not-a-bundle" not in page
    answered = client.post("/models/", {"folder": "second"}, follow=True)
    assert "is registered" in text_of(answered)
    second = ModelVersion.objects.get(bundle="second")
    assert not second.active
    client.post(f"/models/{second.pk}/activate/")
    assert list(ModelVersion.objects.active()) == [second]
    assert "ada" in text_of(client.get(f"/models/{second.pk}/"))


def test_what_registering_refuses(
    client: Client, small_bundle: Path, settings: Any, tmp_path: Path
) -> None:
    settings.MODEL_BUNDLES_DIR = tmp_path / "bundles"
    shutil.copytree(small_bundle, tmp_path / "bundles" / "cut")
    (tmp_path / "bundles" / "cut" / "weights.safetensors").write_bytes(b"cut")
    shutil.copytree(small_bundle, tmp_path / "outside")
    for folder, code in (
        ("cut", "unusable_bundle"),
        ("../outside", "unknown_bundle"),
        (str(tmp_path / "outside"), "unknown_bundle"),
        ("", "unknown_bundle"),
    ):
        page = client.post("/models/", {"folder": folder})
        assert page.status_code == 400
        answered = client.post(
            f"{V1}/model-versions/", {"folder": folder}, content_type="application/json"
        )
        assert answered.json()["code"] in (code, "invalid")
    assert not ModelVersion.objects.exists()


def test_a_run_is_started_watched_and_cancelled_on_the_page(
    client: Client, case: SmearCase, other: ModelVersion, settings: Any
) -> None:
    settings.CLASSIFY_BATCH_SIZE = 2
    queue_cells(case, 4)
    run_pending(predictor=FakePredictor())
    address = f"/models/{other.pk}/"
    data = {"laboratory": case.laboratory_id, "accession_number": case.accession_number}
    missing = client.post(address, {**data, "accession_number": "nothing"})
    assert missing.status_code == 400
    assert "no case with this number" in text_of(missing)
    client.post(address, data)
    run = ModelRun.objects.get()
    assert (run.case, run.cells) == (case, 4)
    again = client.post(address, data)
    assert again.status_code == 409
    run_pending(predictor=FakePredictor(), worker_batches=1)
    row = client.get(f"/models/runs/{run.pk}/")
    assert "2 of 4 cells" in text_of(row)
    assert "every 2s" in row.content.decode()
    assert "2 of 4 cells" in text_of(client.get(address))
    client.post(f"/models/runs/{run.pk}/")
    row = client.get(f"/models/runs/{run.pk}/")
    assert "cancelled" in text_of(row)
    assert "every 2s" not in row.content.decode()
    assert client.post(f"/models/runs/{run.pk}/").status_code == 409


def test_a_run_through_the_api(client: Client, case: SmearCase, other: ModelVersion) -> None:
    queue_cells(case, 2)
    run_pending(predictor=FakePredictor())
    sent = {"model_version": other.pk, "laboratory": case.laboratory.slug, "case": case.pk}
    made = client.post(f"{V1}/model-runs/", sent, content_type="application/json")
    assert made.status_code == 201
    run = f"{V1}/model-runs/{made.json()['id']}/"
    assert (client.get(run).json()["state"], client.get(run).json()["done"]) == ("running", 0)
    run_pending(predictor=FakePredictor())
    assert (client.get(run).json()["state"], client.get(run).json()["done"]) == ("done", 2)
    assert client.post(run + "cancel/").json()["code"] == "run_has_ended"
    elsewhere = SmearCaseFactory()
    for wrong in ({"case": elsewhere.pk}, {"laboratory": elsewhere.laboratory.slug}):
        answered = client.post(
            f"{V1}/model-runs/", {**sent, **wrong}, content_type="application/json"
        )
        assert answered.status_code == 400


def test_the_comparison_stands_on_its_page_and_in_the_api(
    client: Client,
    case: SmearCase,
    version: ModelVersion,
    other: ModelVersion,
    administrator: User,
) -> None:
    cells = reviewed(case, other, administrator, 8)
    query = {"first": version.pk, "second": other.pk}
    words = text_of(client.get("/models/compare/", query))
    assert "Cells compared 8" in words
    assert "Only model two right 8" in words
    assert "McNemar's exact test, p 0.0078" in words.replace("&#x27;", "'")
    assert "100.0 % (63.1 – 100.0)" in words  # 8 of 8
    found = client.get(f"{V1}/model-comparison/", query).json()
    assert (found["n"], found["only_second"], found["differing"]) == (8, 8, 8)
    assert found["p_value"] == pytest.approx(2 * 0.5**8)
    assert found["agreement_table"]["monocyte"]["basophil"] == 8
    rows = client.get(f"{V1}/model-comparison/cells/", query).json()["results"]
    assert {each["id"] for each in rows} == {cell.pk for cell in cells}
    assert rows[0]["first"] == "monocyte"
    assert rows[0]["second_confidence"] == 0.75
    same = client.get("/models/compare/", {**query, "second": version.pk})
    assert (same.status_code, "two different versions" in text_of(same)) == (400, True)


def test_a_comparison_ends_at_the_laboratorys_walls(
    case: SmearCase, version: ModelVersion, other: ModelVersion, administrator: User
) -> None:
    reviewed(case, other, administrator, 2)
    stranger = logged_in(member(LaboratoryFactory(), "administrator"))
    query = {"first": version.pk, "second": other.pk}
    assert "No cell to compare" in text_of(stranger.get("/models/compare/", query))
    assert stranger.get(f"{V1}/model-comparison/", query).json()["n"] == 0
    answered = stranger.get("/models/compare/", {**query, "laboratory": case.laboratory_id})
    assert answered.status_code == 400


def test_the_cell_page_explains_what_named_the_cell(
    client: Client,
    case: SmearCase,
    version: ModelVersion,
    other: ModelVersion,
    administrator: User,
) -> None:
    (cell,) = reviewed(case, other, administrator, 1)
    assert Prediction.objects.filter(cell=cell).count() == 2
    words = text_of(client.get(f"/cells/{cell.pk}/"))
    assert "Model model one on" in words
    assert "Predicted: Basophil 75.0 %" in words  # in the history


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code == 200
    return len(found)


def test_pages_cost_the_same_queries_however_much_there_is(
    client: Client,
    case: SmearCase,
    version: ModelVersion,
    other: ModelVersion,
    administrator: User,
) -> None:
    reviewed(case, other, administrator, 2)
    query = f"?first={version.pk}&second={other.pk}"
    addresses = (
        "/models/",
        f"/models/{other.pk}/",
        f"/models/compare/{query}",
        f"{V1}/model-runs/",
        f"{V1}/model-comparison/{query}",
        f"{V1}/model-comparison/cells/{query}",
    )
    before = {address: queries_of(client, address) for address in addresses}
    assert max(before.values()) <= 16
    for _ in range(3):
        reviewed(SmearCaseFactory(laboratory=case.laboratory), other, administrator, 5)
        make_version(f"version {_}", active=False)
    assert {address: queries_of(client, address) for address in addresses} == before
