"""The whole road of real fields: upload, search, frames, names, correction, result, report."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from django.urls import reverse
from PIL import Image

from cases.models import Role, SmearCase
from classifier.models import FieldRun, ModelVersion
from classifier.services.registry import register_model
from classifier.services.searches import start_up
from classifier.services.work import run_pending
from tests.cases_tests.api_client import client_of
from tests.conftest import missing
from tests.factories import LaboratorySettingsFactory, SmearCaseFactory, member, upload

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def bccd_fields(shared_data: Path) -> list[Path]:
    """Validation fields, which nothing of the detector was chosen on."""
    names = shared_data.joinpath("bccd", "val.txt").read_text().split()
    found = [shared_data / "bccd" / "images" / f"{Path(each).stem}.jpg" for each in names[:2]]
    if not all(each.is_file() for each in found):
        missing("The BCCD fields are not there.")
    return found


def test_fields_from_upload_to_report(bccd_fields: list[Path], bundle_path: Path) -> None:
    """One field by an English reader, one by a Spanish one: to find cells twice takes long."""
    register_model(folder=bundle_path, activate=True)
    start_up()
    case: SmearCase = SmearCaseFactory()
    LaboratorySettingsFactory(laboratory=case.laboratory, platelet_factor=15_000)
    reviewer = member(case.laboratory, Role.REVIEWER)
    api = client_of(reviewer)
    said = {"en": "its cells are looked for now", "es": "ahora se buscan sus células"}
    for language, path in zip(said, bccd_fields, strict=True):
        answer = api.post(
            f"/api/v1/cases/{case.pk}/images/",
            {"files": [upload(path.name, path.read_bytes())]},
            format="multipart",
            headers={"accept-language": language},
        )
        assert answer.status_code == 201, answer.content
        (file,) = answer.json()["files"]
        assert said[language] in file["message"]
        assert (file["image"]["kind"], file["image"]["kind_source"]) == ("field", "shape")
    run_pending()

    counts = api.get(f"/api/v1/cases/{case.pk}/counts/").json()
    assert (counts["fields_pending"], counts["fields_failed"], counts["pending"]) == (0, 0, 0)
    assert FieldRun.objects.filter(state="done", zoom=1.0).count() == 2
    found = api.get(f"/api/v1/detections/?case={case.pk}&page_size=200&ordering=id").json()
    rows = found["results"]
    kinds = [row["kind"] for row in rows]
    assert kinds.count("white_cell") >= 2
    assert kinds.count("red_cell") >= 8
    cells = [row["cell"] for row in rows if row["cell"]]
    assert [each["number"] for each in cells] == list(range(1, len(cells) + 1))
    assert {each["state"] for each in cells} == {"done"}
    assert all(row["cell"] is None for row in rows if row["kind"] == "red_cell")

    # What the model saw is a square as wide as cells on the field say; its heatmap is too.
    white = next(row for row in rows if row["kind"] == "white_cell")
    cell = api.get(f"/api/v1/cells/{white['cell']['id']}/").json()
    assert 250 < cell["frame_side"] < 600
    assert cell["detection"] == white["id"]
    version = ModelVersion.objects.get()
    drawn = api.get(
        reverse("api-cell-heatmap", args=[cell["id"]]) + f"?class={version.classes[0]}&size=128"
    )
    assert drawn.status_code == 200, drawn.content
    with Image.open(io.BytesIO(drawn.content)) as heatmap:
        assert heatmap.size == (128, 128)

    # A reviewer removes one false cell and adds a missed one.
    gone = api.delete(f"/api/v1/detections/{white['id']}/?version={white['version']}")
    assert (gone.status_code, gone.json()["excluded"]) == (200, "removed")
    added = api.post(
        "/api/v1/detections/",
        {"image": white["image"], "kind": "white_cell", "left": 40, "top": 40, "width": 120,
         "height": 120},
        format="json",
    )  # fmt: skip
    assert added.status_code == 201, added.content
    run_pending()
    history = api.get(f"/api/v1/detections/{white['id']}/corrections/").json()["results"]
    assert [(each["action"], each["made_by"]) for each in history] == [
        ("removed", reviewer.username)
    ]
    fields = api.get(f"/api/v1/cases/{case.pk}/result/").json()["fields"]
    of_kind = {each["kind"]: each for each in fields["kinds"]}
    white_cells = of_kind["white_cell"]
    assert (white_cells["removed"], white_cells["added"]) == (1, 1)
    assert white_cells["count"] == kinds.count("white_cell")
    assert white_cells["recall"]["value"] < 100 or white_cells["found"] == 1
    mean = white_cells["per_field"]
    assert mean["ci_low"] < mean["value"] < mean["ci_high"]
    assert fields["platelets"]["value"] == pytest.approx(
        of_kind["platelet"]["per_field"]["value"] * 15
    )
    for language in said:
        report = api.get(f"/api/v1/cases/{case.pk}/report/?pictures=on&language={language}")
        assert report.status_code == 200
        assert report.content.startswith(b"%PDF")
        if folder := os.environ.get("PBCSITE_KEEP"):
            Path(folder, f"field-{language}.pdf").write_bytes(report.content)


def test_a_large_tiff_is_kept_searched_and_counted_once(
    bccd_fields: list[Path], bundle_path: Path, settings: Any, tmp_path: Path
) -> None:
    """A mosaic as OME-TIFF, above the size that is decoded: no cell twice, none lost at seams."""
    register_model(folder=bundle_path, activate=True)
    start_up()
    with Image.open(bccd_fields[0]) as picture:
        field = np.asarray(picture.convert("RGB"))
    path = tmp_path / "mosaic.ome.tif"
    tifffile.imwrite(
        path, np.tile(field, (2, 3, 1)), tile=(512, 512), compression="zlib", ome=True,
        photometric="rgb",
    )  # fmt: skip
    settings.UPLOAD_MAX_BYTES = 1024
    case: SmearCase = SmearCaseFactory()
    api = client_of(member(case.laboratory, Role.TECHNICIAN))
    answer = api.post(
        f"/api/v1/cases/{case.pk}/images/",
        {"files": [upload(path.name, path.read_bytes())]},
        format="multipart",
    )
    assert answer.status_code == 201, answer.content
    image = answer.json()["files"][0]["image"]
    assert (image["width"], image["height"], image["kind"]) == (1920, 960, "field")
    run_pending()
    assert FieldRun.objects.get().state == "done"
    alone = SmearCaseFactory(laboratory=case.laboratory)
    settings.UPLOAD_MAX_BYTES = 20 * 1024**2
    api.post(
        f"/api/v1/cases/{alone.pk}/images/",
        {"files": [upload("one.jpg", bccd_fields[0].read_bytes())]},
        format="multipart",
    )
    run_pending()

    def found(of: SmearCase) -> int:
        page = api.get(f"/api/v1/detections/?case={of.pk}&kind=white_cell&page_size=200").json()
        return len(page["results"])

    assert found(case) == 6 * found(alone)
    cell = api.get(f"/api/v1/cells/?case={case.pk}").json()["results"][0]
    assert cell["state"] == "done"
