"""A detector's bundle is whole and understood, or refused with a sentence; fields likewise."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.bundle import WEIGHTS_NAME
from ml.detection.cutting import FRAME_IN_RED_CELLS, SHARES, cut_cell, frame_side
from ml.detection.detector import RED_CELL, Detection, Detector
from ml.detection.fields import find_list, hold_out_fields, read_fields
from ml.detection.manifest import read_detector_manifest, verify_detector
from ml.detection.network import (
    Widths,
    arrays_of,
    assign_arrays,
    build_network,
    fold,
    weight_shapes,
)
from ml.detection.scale import measure_zoom, red_cell_diameter
from ml.detection.sources import ArraySource
from ml.manifest import MANIFEST_NAME, BundleError
from tests.conftest import PROJECT
from tests.ml_tests.detection_worlds import (
    TINY,
    disc_network,
    draw_discs,
    make_detector_manifest,
    place_discs,
    write_tiny,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A whole bundle of the tiny network."""
    return write_tiny(tmp_path / "detect-tiny")


def write_annotation(path: Path, *objects: tuple[str, int, int, int, int]) -> None:
    """A Pascal VOC file with boxes given as class, xmin, ymin, xmax, ymax."""
    parts = [
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in objects
    ]
    path.write_text(f"<annotation>{''.join(parts)}</annotation>", encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two annotated fields and a list."""
    root = tmp_path / "fields"
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    for name in ("a", "b"):
        Image.new("RGB", (64, 48), (200, 200, 200)).save(root / "images" / f"{name}.jpg")
    write_annotation(
        root / "annotations" / "a.xml", ("RBC", 1, 1, 10, 20), ("Platelets", 30, 30, 30, 40)
    )
    write_annotation(root / "annotations" / "b.xml", ("WBC", 11, 12, 40, 41))
    (root / "some.txt").write_text("a\nb.jpg\n\n", encoding="utf-8")
    return root


def test_reading_a_bundle_needs_no_tensorflow(tiny: Path) -> None:
    code = (
        "import sys; from ml.detection.manifest import verify_detector;"
        f"print(verify_detector({str(tiny)!r}).name);"
        "assert not {'tensorflow', 'keras', 'django', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "tiny"


def test_a_bundle_comes_back_as_it_was_written(tiny: Path) -> None:
    manifest = verify_detector(tiny)
    assert len(manifest.weights_sha256) == 64
    assert manifest == make_detector_manifest(weights_sha256=manifest.weights_sha256)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("classes", [], "classes"),
        ("input_scale", 0, "input_scale"),
        ("thresholds", {"rbc": 0.5}, "thresholds"),
        ("thresholds", {"rbc": 0.5, "wbc": 2, "platelet": 0.1}, "thresholds"),
        ("mirrored", "yes", "mirrored"),
        ("widths", {"encoder": [4, 4, 4, 4, 0], "head": 4, "blocks": 1}, "widths"),
        ("architecture", "other", "architecture"),
        ("surplus", 1, "surplus"),
        ("format", "pbcsite-model-bundle-1", "not a detector"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(
    tiny: Path, field: str, value: object, sentence: str
) -> None:
    path = tiny / MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8")) | {field: value}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match=sentence):
        read_detector_manifest(tiny)


def test_weights_that_are_damaged_or_of_another_detector_are_refused(
    tiny: Path, tmp_path: Path
) -> None:
    weights = tiny / WEIGHTS_NAME
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(BundleError, match="SHA-256"):
        verify_detector(tiny)
    weights.write_bytes(whole)
    path = tiny / MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8")) | {"input_scale": 0.25}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match="input_scale"):
        verify_detector(tiny)


@pytest.mark.parametrize("widths", [TINY, Widths(), Widths((5, 6, 7, 8, 9), head=3, blocks=2)])
def test_shapes_are_known_without_building_the_network(widths: Widths) -> None:
    network = build_network(widths, classes=3, normalised=False)
    built = {name: array.shape for name, array in arrays_of(network).items()}
    assert weight_shapes(widths, classes=3) == built


def test_folding_normalisation_changes_no_answer() -> None:
    generator = np.random.default_rng(0)
    trained = build_network(TINY, classes=3, normalised=True)
    for variable in trained.variables:
        noise = generator.normal(0, 0.3, variable.shape)
        variable.assign(noise if "kernel" in variable.name else 1 + 0.3 * np.abs(noise))
    served = build_network(TINY, classes=3, normalised=False)
    assign_arrays(served, fold(arrays_of(trained)))
    pixels = generator.uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    before, after = trained(pixels, training=False), served(pixels, training=False)
    for name in ("centres", "sides"):
        assert before[name].shape[1:3] == (16, 24)
        np.testing.assert_allclose(before[name], after[name], rtol=1e-3, atol=1e-3)


def test_voc_boxes_become_edges_and_boxes_without_area_are_counted(data: Path) -> None:
    first, second = read_fields(data, part="some")
    assert first.boxes.tolist() == [[0, 0, 10, 20]]
    assert first.without_area == 1
    assert (second.boxes.tolist(), second.labels.tolist()) == ([[10, 11, 40, 41]], [1])
    assert find_list(data, None) == (data, "some")
    assert find_list(data / "some.txt", None) == (data, "some")


def test_fields_that_cannot_be_used_are_named(data: Path) -> None:
    with pytest.raises(ValueError, match="lists found: some"):
        read_fields(data, part="val")
    write_annotation(data / "annotations" / "b.xml", ("Blast", 1, 1, 5, 5))
    with pytest.raises(ValueError, match=r"b\.xml.*'Blast' is unknown"):
        read_fields(data, part="some")
    (data / "annotations" / "b.xml").write_text("<annotation>", encoding="utf-8")
    with pytest.raises(ValueError, match="not XML"):
        read_fields(data, part="some")
    (data / "images" / "a.jpg").unlink()
    with pytest.raises(ValueError, match="no image of this name"):
        read_fields(data, part="some")


def test_the_held_out_part_is_a_function_of_names_and_seed(data: Path) -> None:
    fields = read_fields(data, part="some")
    learnt, held = hold_out_fields(fields, share=0.5, seed=1)
    again = hold_out_fields(fields[::-1], share=0.5, seed=1)
    assert [each.path for each in held] == [each.path for each in again[1]]
    assert {each.path for each in learnt} | {each.path for each in held} == {
        each.path for each in fields
    }
    with pytest.raises(ValueError, match="cannot be held out"):
        hold_out_fields(fields[:1], share=0.5, seed=1)


def test_the_commands_answer_with_json_and_sentences(
    data: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [str(path) for path in sorted((data / "images").iterdir())]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert main(["detect", *images, str(broken), "--bundle", str(tiny), "--json"]) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer.get("width") for answer in answers] == [64, 64, None]
    assert set(answers[0]["counts"]) == {"rbc", "wbc", "platelet"}
    assert "broken.png" in answers[2]["error"]
    assert main(["detect", str(tmp_path / "nowhere.png"), "--bundle", str(tiny)]) == 1
    assert "there is no such file" in capsys.readouterr().err

    out = tmp_path / "report"
    arguments = ["detect-evaluate", str(data), "--bundle", str(tiny), "--out", str(out), "--json"]
    assert main(arguments) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["n"] == 2
    assert last["annotations_without_area"] == 1
    for code in ("rbc", "wbc", "platelet"):
        assert {"precision", "recall", "f1", "ap50", "count_error", "n"} <= set(
            last["per_class"][code]
        )
    assert 0 <= last["map50"] <= 1
    assert "all-point" in last["definition"]
    assert {path.name for path in out.iterdir()} == {
        "report.md", "report.json", "disagreements.png",
    }  # fmt: skip


def red(x: float, *, diameter: float = 100, edges: tuple[str, ...] = ()) -> Detection:
    return Detection("rbc", 0.9, x, 0, diameter, diameter, edges)


def test_frames_are_cut_by_the_measured_red_cells() -> None:
    white = Detection("wbc", 0.9, 200, 150, 180, 220)
    cells = [white, *(red(10 * n) for n in range(5)), red(0, diameter=40, edges=("left",))]
    assert red_cell_diameter(cells) == 100
    assert frame_side(cells, white) == 100 * FRAME_IN_RED_CELLS
    # Too few red cells: by the white cell; without one, by the platelet itself.
    assert frame_side(cells[:3], white) == pytest.approx(np.sqrt(180 * 220) / SHARES["wbc"])
    platelet = Detection("platelet", 0.9, 0, 0, 40, 40)
    assert frame_side([platelet], platelet) == pytest.approx(40 / SHARES["platelet"])
    with pytest.raises(ValueError, match="not classified"):
        frame_side(cells, cells[1])


def test_a_cut_cell_lies_in_the_middle_with_background_beyond_the_edge() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    source = ArraySource(pixels)
    inside = Detection("wbc", 0.9, 50, 30, 20, 20)
    assert np.array_equal(cut_cell(source, inside, side=40), pixels[20:60, 40:80])
    corner = Detection("wbc", 0.9, 0, 0, 20, 20)
    cut = cut_cell(source, corner, side=40)
    assert np.array_equal(cut[10:, 10:], pixels[:30, :30])
    assert (cut[:10] == cut[0, 0]).all()
    assert (cut[:, :10] == cut[0, 0]).all()
    assert cut_cell(source, corner, side=400).shape == (400, 400, 3)
    smear = np.full((60, 60, 3), (235, 230, 240), np.uint8)
    smear[:20] = (200, 120, 130)
    assert cut_cell(ArraySource(smear), corner, side=40)[0, 0].tolist() == [235, 230, 240]


def test_the_zoom_is_measured_or_follows_from_micrometres(tiny: Path) -> None:
    detector = Detector(tiny, network=disc_network)
    assert detector.zoom_for(RED_CELL / 40) == pytest.approx(1)
    assert detector.zoom_for(2 * RED_CELL / 40) == pytest.approx(2)
    with pytest.raises(ValueError, match="positive"):
        detector.zoom_for(0)
    pixels = draw_discs(place_discs(900, 700, count=60, seed=8, inside=True), (900, 700))
    assert measure_zoom(detector, ArraySource(pixels)) == pytest.approx(1, abs=0.1)
    large = np.asarray(Image.fromarray(pixels).resize((1800, 1400)))
    assert measure_zoom(detector, ArraySource(large)) == pytest.approx(0.5, abs=0.1)
    assert measure_zoom(detector, ArraySource(np.full((200, 200, 3), 240, np.uint8))) == 1


def test_thresholds_can_be_given_for_a_class(tiny: Path) -> None:
    detector = Detector(tiny, network=disc_network)
    pixels = draw_discs([("rbc", 60, 60), ("wbc", 160, 100)], (256, 192))
    assert [cell.cell_class for cell in detector.detect(pixels)] == ["rbc", "wbc"]
    assert [c.cell_class for c in detector.detect(pixels, thresholds={"rbc": 0.99})] == ["wbc"]


def test_a_card_tells_the_figures_of_these_very_weights(
    data: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, out = tmp_path / "figures.json", tmp_path / "report"
    common = ["detect-evaluate", str(data), "--bundle", str(tiny)]
    assert main([*common, "--json", str(figures), "--out", str(out)]) == 0
    content = json.loads(figures.read_text(encoding="utf-8"))
    card = ["detect-card", "--bundle", str(tiny), "--evaluation", str(figures)]
    assert main([*card, "--pictures", str(out)]) == 0
    assert verify_detector(tiny).metrics["evaluation"]["n"] == 2
    english = (tiny / "README.md").read_text(encoding="utf-8")
    spanish = (tiny / "README.es.md").read_text(encoding="utf-8")
    assert f"mAP50 **{content['map50']:.4f}**" in english
    assert f"mAP50 **{content['map50']:.4f}**".replace(".", ",") in spanish
    assert "never a diagnosis" in english
    assert "nunca un diagnóstico" in spanish
    assert (tiny / "disagreements.png").stat().st_size > 1000

    other = write_tiny(tmp_path / "other", thresholds={"rbc": 0.1, "wbc": 0.5, "platelet": 0.5})
    capsys.readouterr()
    assert main(["detect-card", "--bundle", str(other), "--evaluation", str(figures)]) == 1
    assert "run `detect-evaluate` again" in capsys.readouterr().err
