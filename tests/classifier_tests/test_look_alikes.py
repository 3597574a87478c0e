"""The look-alikes of a cell: from the bundle's reference cells, or an honest word."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cases.models import SmearCase, User
from classifier.models import ModelVersion
from classifier.services.work import run_pending
from ml.manifest import read_manifest
from ml.references import load_references
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import member

if TYPE_CHECKING:
    from django.test import Client

    from cases.models import Cell
    from ml.references import CellSet

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(case: SmearCase, client: Client) -> User:
    user = member(case.laboratory)
    client.force_login(user)
    return user


@pytest.fixture
def shipped(bundle_path: Path, settings: Any, tmp_path: Path) -> ModelVersion:
    """The shipped bundle as the active version, in a folder of this test."""
    folder = tmp_path / "bundles" / "shipped"
    shutil.copytree(bundle_path, folder)
    settings.MODEL_BUNDLES_DIR = folder.parent
    manifest = read_manifest(folder)
    assert manifest.references is not None, "run `python -m ml references` on the shipped bundle"
    return make_version(bundle="shipped", weights_sha256=manifest.weights_sha256)


def sets_of(folder: Path) -> dict[str, CellSet]:
    sets = load_references(folder, read_manifest(folder))
    assert sets is not None
    return sets


def cell_like(case: SmearCase, embedding: np.ndarray, code: str) -> Cell:
    import dataclasses

    (cell,) = queue_cells(case, 1)
    reply = dataclasses.replace(answer(code), embedding=embedding.astype(np.float32))
    run_pending(predictor=FakePredictor(reply=lambda picture: reply))
    return cell


def test_a_reference_cell_finds_itself_first(
    case: SmearCase, reader: User, client: Client, shipped: ModelVersion, settings: Any
) -> None:
    known = sets_of(settings.MODEL_BUNDLES_DIR / "shipped")["references"]
    index = len(known) - 3
    cell = cell_like(case, known.embeddings[index], "platelet")
    text = client.get(f"/cells/{cell.pk}/look-alikes/").content.decode()
    places = re.findall(r'viewBox="(\d+) (\d+) (\d+) \d+"', text.split("look-alikes", 1)[1])
    left, top, side = (int(each) for each in places[0])
    assert (top // side) * 32 + left // side == index
    assert "0.000" in text
    assert "6 of the 6 nearest reference cells are of that class" in text
    atlas = client.get(f"/models/{shipped.pk}/atlas/references.jpg")
    assert atlas.content == known.atlas
    again = client.get(atlas.request["PATH_INFO"], headers={"If-None-Match": atlas["ETag"]})
    assert again.status_code == 304


def test_a_bundle_without_them_says_so(
    case: SmearCase, reader: User, client: Client, version: ModelVersion
) -> None:
    cell = cell_like(case, np.ones(512), "monocyte")
    text = client.get(f"/cells/{cell.pk}/look-alikes/").content.decode()
    assert "holds no reference cells" in text


def test_a_damaged_file_does_no_harm(
    case: SmearCase, reader: User, client: Client, shipped: ModelVersion, settings: Any
) -> None:
    path = settings.MODEL_BUNDLES_DIR / "shipped" / "references.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    cell = cell_like(case, np.ones(512), "monocyte")
    text = client.get(f"/cells/{cell.pk}/look-alikes/").content.decode()
    assert "holds no reference cells" in text


def test_an_unseen_cell_has_none(case: SmearCase, reader: User, client: Client) -> None:
    make_version()
    (cell,) = queue_cells(case, 1)
    text = client.get(f"/cells/{cell.pk}/look-alikes/").content.decode()
    assert "has not seen this cell yet" in text


def test_known_cells_of_the_test_set_mostly_resemble_their_own_class(bundle_path: Path) -> None:
    """What the fragment claims is worth showing: the nearest reference cell has the true class."""
    from ml.references import nearest

    sets = sets_of(bundle_path)
    test = sets["test"]
    chosen = np.random.default_rng(1).choice(len(test), 200, replace=False)
    right = [
        sets["references"].labels[nearest(sets["references"], test.embeddings[i], count=1)[0].index]
        == test.labels[i]
        for i in chosen
    ]
    assert np.mean(right) > 0.9
