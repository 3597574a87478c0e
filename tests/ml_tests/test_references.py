"""Labelled cells beside a bundle's weights: the command, the checks, the nearest."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.bundle import amend_bundle, verify
from ml.manifest import BundleError, read_manifest
from ml.references import (
    LICENCE_NAME,
    REFERENCES_NAME,
    CellSet,
    load_references,
    nearest,
    place_in_atlas,
)
from tests.ml_tests.conftest import CLASSES, make_picture

if TYPE_CHECKING:
    from pathlib import Path


def folder_of(root: Path, seeds: range) -> Path:
    for code in CLASSES[:2]:
        (root / code).mkdir(parents=True)
        for seed in seeds:
            name = root / code / f"{code}-{seed}.png"
            name.write_bytes(make_picture(seed + 100 * CLASSES.index(code)))
    return root


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle with three reference cells and two test cells of each of two classes."""
    path = tmp_path / "bundle"
    shutil.copytree(small_bundle, path)
    train = folder_of(tmp_path / "pbc" / "train", range(5))
    test = folder_of(tmp_path / "pbc" / "test", range(10, 12))
    options = ["--per-class", "3", "--side", "24", "--test-side", "16", "--batch", "4"]
    status = main(["references", str(train), str(test), "--bundle", str(path), *options])
    assert status == 0
    return path


def test_the_command_stores_both_sets_and_the_bundle_is_whole(bundle: Path, tmp_path: Path) -> None:
    manifest = verify(bundle)
    sets = load_references(bundle, manifest)
    assert sets is not None
    assert sets["references"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert sets["test"].labels.tolist() == [0, 0, 1, 1]
    assert sets["references"].embeddings.shape == (6, 512)
    assert sets["test"].names[0] == "basophil-10.png"
    assert manifest.references is not None
    assert manifest.references["sources"] == ["pbc/train", "pbc/test"]
    assert "none: random weights" in (bundle / LICENCE_NAME).read_text()
    # A thumbnail is the picture it is called by: nearer to it than to any other.
    cells = sets["references"]
    (bundle / "atlas.jpg").write_bytes(cells.atlas)
    left, top = place_in_atlas(4, cells.side)
    with Image.open(bundle / "atlas.jpg") as sheet:
        tile = np.asarray(sheet.crop((left, top, left + 24, top + 24)), float)
    gaps = {}
    for path in (tmp_path / "pbc" / "train").glob("*/*.png"):
        with Image.open(path) as picture:
            width, height = picture.size
            box = (width / 2 - 30, height / 2 - 30, width / 2 + 30, height / 2 + 30)
            small = picture.convert("RGB").resize((24, 24), Image.Resampling.BILINEAR, box=box)
        gaps[path.name] = float(np.abs(np.asarray(small, float) - tile).mean())
    assert min(gaps, key=lambda name: gaps[name]) == cells.names[4]


def test_a_bundle_without_them_is_whole_too(small_bundle: Path) -> None:
    assert load_references(small_bundle, verify(small_bundle)) is None


def test_a_changed_byte_is_found_out(bundle: Path) -> None:
    path = bundle / REFERENCES_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError) as refusal:
        verify(bundle)
    assert refusal.value.code == "wrong_hash"


def test_a_missing_file_is_found_out(bundle: Path) -> None:
    (bundle / REFERENCES_NAME).unlink()
    with pytest.raises(BundleError) as refusal:
        verify(bundle)
    assert refusal.value.code == "missing"


def test_embeddings_of_other_weights_are_refused(bundle: Path) -> None:
    path = bundle / "model.json"
    content = json.loads(path.read_text())
    content["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="other weights"):
        load_references(bundle, read_manifest(bundle))


def test_other_arrays_beside_the_weights_drop_them_from_the_manifest(bundle: Path) -> None:
    kept = amend_bundle(bundle, temperature=2.0)
    assert kept.references is not None
    changed = amend_bundle(bundle, unfamiliar_arrays={"means": np.zeros((8, 512), np.float32)})
    assert changed.references is None
    assert verify(bundle).references is None


def test_a_manifest_from_before_is_read(bundle: Path) -> None:
    path = bundle / "model.json"
    content = json.loads(path.read_text())
    del content["references"]
    path.write_text(json.dumps(content))
    assert read_manifest(bundle).references is None


def test_the_nearest_are_those_of_the_smallest_angle() -> None:
    embeddings = np.zeros((4, 512), np.float16)
    embeddings[0, 0] = 1
    embeddings[1, :2] = 1
    embeddings[2, 1] = 5
    embeddings[3, 0] = -1
    cells = CellSet(
        embeddings, np.zeros(4, np.uint8), np.zeros(4, np.uint8), ("",) * 4, side=1, atlas=b""
    )
    asked = np.zeros(512, np.float32)
    asked[0] = 100
    found = nearest(cells, asked, count=3)
    assert [each.index for each in found] == [0, 1, 2]
    assert [each.distance for each in found] == pytest.approx([0, 1 - 2**-0.5, 1], abs=1e-6)
