"""The detector's training: views, targets, losses, and a run that is broken off and goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.augmentation import Augmentation
from ml.detection import training
from ml.detection.detector import Detector
from ml.detection.recipe import DetectorRecipe, recipe_from_json
from ml.detection.training import read_arrays, train_detector
from ml.detection.views import BEYOND, Geometry, cut_view, draw_targets
from tests.ml_tests.detection_worlds import COLOURS, DIAMETERS, TINY, draw_discs, place_discs

NAMES = {"rbc": "RBC", "wbc": "WBC", "platelet": "Platelets"}
RECIPE = DetectorRecipe(
    view=(96, 128), widths=TINY, epochs=3, validations=2, batch_size=2, warm_up=2, held_out=0.25,
    precision="float32", augmentation=Augmentation(jpeg=0.5),
)  # fmt: skip


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """Eight annotated fields of discs."""
    root = tmp_path / "discs"
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for number in range(8):
        placed = place_discs(256, 192, count=6, seed=number, inside=True)
        Image.fromarray(draw_discs(placed, (256, 192))).save(root / "images" / f"{number}.png")
        objects = "".join(
            f"<object><name>{NAMES[code]}</name><bndbox><xmin>{x - r:.0f}</xmin>"
            f"<ymin>{y - r:.0f}</ymin><xmax>{x + r:.0f}</xmax><ymax>{y + r:.0f}</ymax></bndbox>"
            "</object>"
            for code, x, y in placed
            for r in [DIAMETERS[code] / 2]
        )
        path = root / "annotations" / f"{number}.xml"
        path.write_text(f"<annotation>{objects}</annotation>", encoding="utf-8")
    (root / "train.txt").write_text("\n".join(map(str, range(8))), encoding="utf-8")
    return root


def test_boxes_move_with_their_cells() -> None:
    pixels = draw_discs([("rbc", 100, 60)], (256, 192))
    boxes = np.array([[80, 40, 120, 80]], np.float32)
    geometry = Geometry(scale=(0.8, 1.25), stretch=0.1)
    seen_shares = []
    for seed in range(40):
        view, inside, moved, share = cut_view(
            pixels,
            boxes,
            size=(128, 192) if seed % 2 else (192, 128),
            geometry=geometry,
            generator=np.random.default_rng(seed),
        )
        assert (view[~inside] == BEYOND).all()
        is_cell = np.abs(view.astype(int) - COLOURS["rbc"]).sum(axis=-1) < 60
        seen_shares.append(float(share[0]))
        if not is_cell.any():
            assert share[0] < 0.2
            continue
        rows, columns = np.nonzero(is_cell)
        shown = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        # The visible part of a disc that is cut to less than half is narrower than its box.
        if share[0] > 0.5:
            np.testing.assert_allclose(moved[0], shown, atol=3)
    assert min(seen_shares) < 0.5  # some were cut
    assert max(seen_shares) == pytest.approx(1, abs=1e-4)


def test_targets_peak_at_centres_and_leave_open_what_is_hardly_seen() -> None:
    boxes = np.array([[20, 20, 60, 60], [90, 0, 96, 40]], np.float32)
    targets = draw_targets(
        boxes,
        np.array([1, 0]),
        np.array([1.0, 0.1], np.float32),
        size=(96, 96),
        classes=3,
        visible=0.25,
    )
    assert targets.centres.shape == (24, 24, 3)
    assert np.argwhere(targets.centres == 1).tolist() == [[10, 10, 1]]
    assert targets.corners[10, 10, 1].tolist() == [20, 20, 60, 60]
    assert targets.weights[..., 1].sum() == pytest.approx(np.log(101), rel=1e-4)
    assert targets.weights[..., 0].sum() == 0
    # Neither a cell nor background: nobody says which.
    assert (targets.known[:10, 22:24, 0] == 0).all()
    assert targets.known.sum() == targets.known.size - 10 * 2


def test_losses_vanish_for_the_right_answer() -> None:
    import tensorflow as tf

    from ml.detection.losses import detection_loss

    box = np.array([[22, 18, 62, 58]], np.float32)
    targets = draw_targets(
        box, np.array([2]), np.ones(1, np.float32), size=(96, 96), classes=3, visible=0.25
    )
    stacked = [
        tf.constant(array[None])
        for array in (targets.centres, targets.known, targets.corners, targets.weights)
    ]
    rows, columns = np.meshgrid(np.arange(24) + 0.5, np.arange(24) + 0.5, indexing="ij")
    middle = np.stack([columns, rows, columns, rows], -1) * 4
    distances = (box[0] - middle) * [-1, -1, 1, 1] / 4
    sides = np.tile(np.log(np.maximum(distances, 1e-3)), 3).astype(np.float32)[None]
    right = np.where(targets.centres == 1, 12.0, -12.0).astype(np.float32)[None]
    answer = {"centres": tf.constant(right), "sides": tf.constant(sides)}
    whole, centres, boxes = (float(part) for part in detection_loss(answer, stacked, classes=3))
    assert centres < 1e-3
    assert boxes < 1e-3
    assert whole == pytest.approx(centres + 5 * boxes, abs=1e-6)
    wrong = {"centres": tf.constant(-right), "sides": tf.constant(sides + 1)}
    assert float(detection_loss(wrong, stacked, classes=3)[0]) > 10


@pytest.mark.parametrize(
    "choice",
    [{"warm_up": 0}, {"epochs": 0}, {"learning_rate": 0}, {"final_rate": 1}, {"ema": 1},
     {"held_out": 0}, {"view": (100, 128)}, {"input_scale": 9}],
    ids=str,
)  # fmt: skip
def test_a_recipe_that_cannot_be_trained_names_the_choice(choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(choice))):
        DetectorRecipe(**choice)


def test_a_recipe_comes_back_from_json() -> None:
    assert recipe_from_json(json.loads(json.dumps(RECIPE.to_json()))) == RECIPE
    with pytest.raises(ValueError, match="multiples of 32"):
        dataclasses.replace(RECIPE, view=(100, 128))


@pytest.mark.slow
def test_a_run_that_was_broken_off_ends_as_if_nothing_had_happened(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train_detector(discs, tmp_path / "whole", RECIPE)
    assert whole["finished"]
    assert (whole["training_fields"], whole["held_out_fields"]) == (6, 2)

    real = training.append_log

    def killed(path: Path, row: dict[str, Any]) -> None:
        real(path, row)
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    broken = tmp_path / "broken"
    monkeypatch.setattr(training, "append_log", killed)
    with pytest.raises(KeyboardInterrupt):
        train_detector(discs, broken, RECIPE)
    monkeypatch.setattr(training, "append_log", real)
    with pytest.raises(ValueError, match="--resume"):
        train_detector(discs, broken, RECIPE)
    with pytest.raises(ValueError, match="another recipe"):
        train_detector(discs, broken, dataclasses.replace(RECIPE, seed=1), resume=True)
    again = train_detector(discs, broken, RECIPE, resume=True)
    assert again["best"] == pytest.approx(whole["best"], nan_ok=True)
    rows = [
        [line.split(",")[:5] for line in (run / "log.csv").read_text().splitlines()]
        for run in (tmp_path / "whole", broken)
    ]
    assert [row[0] for row in rows[1]] == ["epoch", "0", "1", "2"]
    for one, other in zip(*(np.array(part[1:], float) for part in rows), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
    for name, array in read_arrays(tmp_path / "whole").items():
        np.testing.assert_allclose(array, read_arrays(broken)[name], rtol=1e-3, atol=1e-4)

    # The run becomes a bundle that can be used.
    capsys.readouterr()
    bundle = tmp_path / "detect-discs"
    assert main(["detect-export", str(broken), str(discs), str(bundle)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    detector = Detector(bundle)
    assert detector.manifest.name == "detect-discs"
    assert detector.manifest.mirrored == result["mirrored"]
    assert detector.manifest.metrics["held_out"]["n"] == 2
    assert isinstance(detector.detect(draw_discs([], (256, 192))), list)
