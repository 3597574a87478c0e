"""Dividing folders: stratified, deterministic, nothing doubled, everything dropped is listed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.data import hold_out, read_folder
from ml.splitting import split


def paint(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for number in range(30):
        paint(root / "monocyte" / f"m{number:02}.png", number)
    for number in range(10):
        paint(root / "platelet" / f"p{number:02}.png", 100 + number)
    return root


def names(folder: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.png")}


def test_parts_are_stratified_and_share_nothing(source: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "parts"
    assert main(["split", str(source), str(target), "--seed", "42"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["counts"] == {
        "train": {"monocyte": 24, "platelet": 8},
        "validation": {"monocyte": 3, "platelet": 1},
        "test": {"monocyte": 3, "platelet": 1},
    }
    parts = [names(target / part) for part in ("train", "validation", "test")]
    assert set.union(*parts) == names(source)
    assert sum(len(part) for part in parts) == 40
    copied = next((target / "test").glob("*/*.png"))
    assert copied.read_bytes() == (source / copied.parent.name / copied.name).read_bytes()


def test_the_division_is_a_fixed_function_of_names_and_seed(source: Path) -> None:
    """Literal names: they may not change with the machine, the Python or the order of listing."""
    first = split(source, ratio=(0.8, 0.1, 0.1), seed=42)
    assert [path.name for path in first.parts["test"]] == EXPECTED_TEST
    assert split(source, ratio=(0.8, 0.1, 0.1), seed=42) == first
    assert split(source, ratio=(0.8, 0.1, 0.1), seed=43).parts != first.parts


EXPECTED_TEST = ["m11.png", "m12.png", "m21.png", "p05.png"]  # by sha256sum and sort


def test_duplicates_unreadable_and_conflicting_files_are_dropped_and_listed(
    source: Path, tmp_path: Path
) -> None:
    paint(source / "monocyte" / "m90.png", 5)  # the bytes of m05
    paint(source / "platelet" / "p91.png", 7)  # the bytes of monocyte/m07: both go
    (source / "platelet" / "p92.png").write_bytes(b"no picture")
    (source / "platelet" / "notes.txt").write_text("taken in May")
    half = (source / "monocyte" / "m09.png").read_bytes()
    (source / "monocyte" / "m93.png").write_bytes(half[: len(half) // 2])
    target = tmp_path / "parts"
    assert main(["split", str(source), str(target), "--link"]) == 0
    with (target / "dropped.csv").open(encoding="utf-8") as stream:
        dropped = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert dropped == {
        "monocyte/m07.png": "conflicting label",
        "monocyte/m90.png": "duplicate",
        "monocyte/m93.png": "unreadable",
        "platelet/notes.txt": "not named as a picture",
        "platelet/p91.png": "conflicting label",
        "platelet/p92.png": "unreadable",
    }
    written = {
        f"{path.parent.name}/{path.name}" for path in target.glob("*/*/*.png") if path.is_symlink()
    }
    assert written == {name for name in names(source) if name.endswith(".png")} - set(dropped)


def test_two_shares_hold_out_what_training_holds_out(source: Path) -> None:
    files = read_folder(source)
    held = {
        files.paths[index].name for index in np.flatnonzero(hold_out(files, share=0.2, seed=42))
    }
    result = split(source, ratio=(0.8, 0.2), seed=42)
    assert set(result.parts) == {"train", "validation"}
    assert {path.name for path in result.parts["validation"]} == held


@pytest.mark.parametrize(
    "ratio", [["0.8", "0.1"], ["1"], ["1.2", "-0.2"], ["nan", "0.1", "0.9"], ["80", "10", "10"]]
)
def test_a_ratio_that_is_none_is_refused(source: Path, tmp_path: Path, ratio, capsys) -> None:
    assert main(["split", str(source), str(tmp_path / "x"), "--ratio", *ratio]) != 0
    assert "add up to 1" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_target_that_holds_something_is_left_alone(source: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    assert main(["split", str(source), str(tmp_path / "full")]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]


def test_unknown_class_folders_are_named(source: Path) -> None:
    with pytest.raises(ValueError, match="platelet are no classes of this model"):
        read_folder(source, classes=("monocyte", "lymphocyte"))
