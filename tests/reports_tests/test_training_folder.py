"""From a reviewer's correction to the next model, with nobody's name on the way."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from PIL import Image

from cases.models import CaseImage, Cell, Laboratory, SmearCase, User
from classifier.inference import Box, cut_out
from classifier.reports.pseudonyms import pseudonym
from classifier.reports.services.training_folder import (
    reviewed_cells_of_case,
    reviewed_cells_of_laboratory,
    training_folder,
)
from tests.access_world import body_of
from tests.cases_tests.pages import logged_in, text_of
from tests.conftest import CLASSES, PROJECT
from tests.factories import (
    CaseImageFactory,
    CellFactory,
    CorrectionFactory,
    SmearCaseFactory,
    cell_class,
    picture_bytes,
)
from tests.reports_tests.conftest import name_cell, predicted

pytestmark = pytest.mark.django_db


def archive_of(answer: Any) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(body_of(answer)))
    assert archive.testzip() is None
    return archive


def table_of(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    text = archive.read("provenance.csv").decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def pictures_in(archive: zipfile.ZipFile) -> list[str]:
    return [each for each in archive.namelist() if each.endswith((".png", ".jpg"))]


def test_reviewed_cells_become_class_folders_with_provenance(
    reviewer: User, case: SmearCase
) -> None:
    corrected, confirmed, untouched, blast, unsure = predicted(
        case, "monocyte", "lymphocyte", "neutrophil", "monocyte", "ig"
    )
    name_cell(corrected, reviewer, "ig", "Looks like María's last one")
    name_cell(confirmed, reviewer, "lymphocyte")
    name_cell(blast, reviewer, "blast")
    name_cell(unsure, reviewer, "unidentified")
    client = logged_in(reviewer)
    address = reverse("case_training", args=[case.pk])

    archive = archive_of(client.get(address))
    folders = {each.rstrip("/") for each in archive.namelist() if each.endswith("/")}
    assert folders == set(CLASSES)
    rows = {row["label"]: row for row in table_of(archive)}
    assert rows.keys() == {"ig", "lymphocyte"}
    assert sorted(pictures_in(archive)) == sorted(row["file"] for row in rows.values())
    row = rows["ig"]
    assert (row["review"], row["label_before"]) == ("corrected", "monocyte")
    assert (row["model_label"], row["model_confidence"]) == ("monocyte", "0.9500")
    assert row["model_version"] == "model one"
    assert len(row["model_weights_sha256"]) == 64
    assert rows["lymphocyte"]["review"] == "confirmed"
    # The picture is the very one the model was shown.
    with corrected.image.file.open("rb") as file:
        assert archive.read(row["file"]) == file.read()

    everything = archive_of(client.get(address, {"classes": "all"}))
    assert {row["label"] for row in table_of(everything)} == {"ig", "lymphocyte", "blast"}
    assert untouched.label is not None


def test_a_cell_of_a_field_is_cut_out_as_the_model_saw_it(reviewer: User, case: SmearCase) -> None:
    data = picture_bytes("JPEG", seed=3, size=(90, 60))
    image = CaseImageFactory(
        case=case, width=90, height=60, file=ContentFile(data, name="field.jpg"), kind="field"
    )
    for number, left in enumerate((5, 40), start=1):
        cell = CellFactory(
            case=case, image=image, number=image.number * 100 + number, left=left, top=7,
            width=30, height=40, label=cell_class("monocyte"), state="done",
        )  # fmt: skip
        name_cell(cell, reviewer, "monocyte")
    cells = reviewed_cells_of_case(user=reviewer, case=case)
    content = b"".join(training_folder(user=reviewer, cells=cells))
    archive = zipfile.ZipFile(io.BytesIO(content))
    for cell in cells:
        shown = cut_out(data, Box(cell.left, cell.top, cell.width, cell.height))
        assert isinstance(shown, Image.Image)
        name = f"monocyte/{pseudonym('cell', cell.pk)}.png"
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            assert picture.tobytes() == shown.tobytes()


def test_nobody_is_named_and_pseudonyms_are_stable(
    administrator: User, reviewer: User, case: SmearCase, laboratory: Laboratory, settings: Any
) -> None:
    cells = predicted(case, "monocyte", "ig")
    for cell in cells:
        name_cell(cell, reviewer, "monocyte", "HC-77 María")
    CaseImage.objects.update(original_name="Nunez_Maria_HC-77.png")
    client = logged_in(administrator)
    address = reverse("laboratory_training", args=[laboratory.pk])
    answer = client.get(address)
    assert "HC-77" not in answer["Content-Disposition"]
    assert case.accession_number not in answer["Content-Disposition"]
    archive = archive_of(answer)
    words = " ".join(archive.namelist()) + archive.read("provenance.csv").decode()
    secrets = (
        "HC-77", "Mar", "Núñez", "Nunez", "26-000123", "rita", "Gil", "Hospital", "1961", "here",
    )  # fmt: skip
    assert [each for each in secrets if each in words] == []
    rows = table_of(archive)
    assert len({row["case"] for row in rows}) == len({row["reviewer"] for row in rows}) == 1
    assert rows[0]["case"] != rows[0]["patient"] != rows[0]["laboratory"]
    assert table_of(archive_of(client.get(address))) == rows
    settings.PSEUDONYM_KEY = "another"
    renamed = table_of(archive_of(client.get(address)))
    assert {row["patient"] for row in renamed}.isdisjoint({row["patient"] for row in rows})


def test_only_the_laboratory_s_own_cells(
    administrator: User, reviewer: User, case: SmearCase, laboratory: Laboratory
) -> None:
    elsewhere = SmearCaseFactory()
    CellFactory(case=elsewhere, label=cell_class("monocyte"), label_source="reviewer", state="done")
    own = predicted(case, "monocyte")[0]
    name_cell(own, reviewer, "monocyte")
    cells = reviewed_cells_of_laboratory(user=administrator, laboratory=laboratory)
    assert [cell.pk for cell in cells] == [own.pk]
    page = text_of(logged_in(administrator).get("/training/"))
    assert "1 reviewed cell" in page


def test_an_empty_folder_is_refused_with_a_sentence(reviewer: User, case: SmearCase) -> None:
    predicted(case, "monocyte")
    answer = logged_in(reviewer).get(reverse("case_training", args=[case.pk]))
    assert answer.status_code == 409
    assert "review some cells first" in text_of(answer)


def test_a_lost_file_leaves_its_cell_out(reviewer: User, case: SmearCase) -> None:
    lost, kept = predicted(case, "monocyte", "monocyte")
    for cell in (lost, kept):
        name_cell(cell, reviewer, "monocyte")
    lost.image.file.storage.delete(lost.image.file.name)
    archive = archive_of(logged_in(reviewer).get(reverse("case_training", args=[case.pk])))
    assert [row["file"] for row in table_of(archive)] == pictures_in(archive)
    assert len(pictures_in(archive)) == 1


def many_reviewed(case: SmearCase, count: int, user: User) -> None:
    """``count`` reviewed cells with a picture of 40 kB each, made without the services."""
    data = picture_bytes("PNG", seed=5, size=(120, 120))
    first = CaseImageFactory(case=case, file=ContentFile(data, name="cell.png"))
    images = CaseImage.objects.bulk_create(
        CaseImage(
            case=case, number=first.number + n, file=first.file.name, sha256=f"{n:064}",
            byte_size=len(data), width=120, height=120, uploaded_by=user,
        )
        for n in range(1, count + 1)
    )  # fmt: skip
    cells = Cell.objects.bulk_create(
        Cell(
            case=case, image=image, number=image.number, left=0, top=0, width=120, height=120,
            label=cell_class("monocyte"), label_source="reviewer", review_state="confirmed",
            state="done", version=1,
        )
        for image in images
    )  # fmt: skip
    CorrectionFactory._meta.model.objects.bulk_create(
        CorrectionFactory.build(cell=cell, made_by=user, cell_version=1) for cell in cells
    )


def test_a_large_folder_is_streamed(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    """1,100 pictures, 45 MB: few queries, and never more than some pictures in memory."""
    many_reviewed(case, 1100, reviewer)
    cells = reviewed_cells_of_case(user=reviewer, case=case)
    with django_assert_max_num_queries(14):
        size = largest = 0
        tracemalloc.start()
        for piece in training_folder(user=reviewer, cells=cells):
            size += len(piece)
            largest = max(largest, len(piece))
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size > 40_000_000
    assert largest < 200_000
    assert peak < 20_000_000


@pytest.mark.slow
@pytest.mark.processes
def test_training_takes_the_folder_as_it_is(
    reviewer: User, case: SmearCase, tmp_path: Path
) -> None:
    """The whole way round: corrections, archive, unpacked, ``python -m ml train``."""
    cells = predicted(case, *["monocyte"] * 6, *["lymphocyte"] * 6)
    for cell in cells[:8]:
        name_cell(cell, reviewer, "monocyte")
    for cell in cells[8:]:
        name_cell(cell, reviewer, "lymphocyte")
    answer = logged_in(reviewer).get(reverse("case_training", args=[case.pk]))
    archive_of(answer)
    folder, run = tmp_path / "folder", tmp_path / "run"
    archive_of(logged_in(reviewer).get(reverse("case_training", args=[case.pk]))).extractall(folder)
    choices = (
        "--weights none --input-size 32 --epochs 1 --validations-per-epoch 1 --batch-size 4 "
        "--warm-up 1 --precision float32 --validation-share 0.25"
    )
    done = subprocess.run(
        [sys.executable, "-m", "ml", "train", folder, "--out", run, *choices.split()],
        cwd=PROJECT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    content = json.loads((run / "run.json").read_text())
    assert content["finished"]
    assert content["classes"] == sorted(CLASSES)
    assert content["training_images"] + content["validation_images"] == len(cells)
    assert (run / "weights.npz").exists()
