"""``python -m ml`` answers with results or with sentences, never with a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ml.__main__ import main
from ml.commands import COMMANDS
from tests.conftest import PROJECT
from tests.ml_tests.conftest import CLASSES, make_picture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two pictures with a text file between them."""
    folder = tmp_path / "cells"
    folder.mkdir()
    contents = {"a.png": make_picture(1), "b.jpg": b"no picture", "c.png": make_picture(2)}
    for name, data in contents.items():
        folder.joinpath(name).write_bytes(data)
    return sorted(folder.iterdir())


def test_help_lists_every_command_without_loading_tensorflow() -> None:
    code = (
        "import sys; from ml.__main__ import build_parser; print(build_parser().format_help());"
        "assert not {'tensorflow', 'keras', 'django'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=PROJECT, capture_output=True, text=True
    )
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")}
    assert {name.replace("_", "-") for name in COMMANDS} <= listed
    assert "never a diagnosis" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name.replace("_", "-"), "--help"])
    assert caught.value.code == 0
    assert "usage: python -m ml" in capsys.readouterr().out


def test_predict_prints_an_object_per_file_and_writes_heatmaps(
    files: list[Path], small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "maps"
    arguments = ["--bundle", str(small_bundle), "--heatmaps", str(out), "--json", "--batch", "2"]
    assert main(["predict", *map(str, files), *arguments]) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["file"] for answer in answers] == [str(file) for file in files]
    assert answers[1] == {"file": str(files[1]), "error": "undecodable"}
    for answer in (answers[0], answers[2]):
        assert tuple(answer["probabilities"]) == tuple(answer["heatmap_peaks"]) == CLASSES
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["confidence"] == max(answer["probabilities"].values())
        assert answer["probabilities"][answer["predicted_class"]] == answer["confidence"]
    written = sorted(path.name for path in out.iterdir())
    assert written == ["a.png.heatmaps.png", "c.png.heatmaps.png"]
    with Image.open(out / written[0]) as strip:
        assert (strip.mode, strip.size) == ("L", (4, 32))


def test_predict_prints_a_line_per_file(
    files: list[Path], small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(files[0]), "--bundle", str(small_bundle)]) == 0
    name, _, rest = capsys.readouterr().out.strip().partition(": ")
    assert name == str(files[0])
    assert rest.split()[0] in CLASSES


def test_predict_writes_its_objects_and_never_over_a_picture(
    files: list[Path], small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = ["--bundle", str(small_bundle)]
    objects = tmp_path / "new" / "answers.jsonl"
    assert main(["predict", str(files[0]), *bundle, "--json", str(objects)]) == 0
    (line,) = objects.read_text().splitlines()
    assert json.loads(line) == json.loads(capsys.readouterr().out)
    assert json.loads(line)["unfamiliar"] is False
    before = files[0].read_bytes()
    assert main(["predict", "--json", str(files[0]), str(files[2]), *bundle]) == 1
    assert "behind the pictures" in capsys.readouterr().err
    assert files[0].read_bytes() == before


@pytest.mark.parametrize("name", [name for name in COMMANDS if not name.startswith("detect")])
def test_every_command_takes_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name.replace("_", "-"), "--help"])
    assert "--json" in capsys.readouterr().out


def test_predict_refuses_files_it_would_mix_up_or_cannot_find(
    files: list[Path], small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = ["--bundle", str(small_bundle)]
    assert main(["predict", str(tmp_path / "nowhere.png"), *bundle]) == 1
    assert "nowhere.png: there is no such file" in capsys.readouterr().err
    twin = tmp_path / "a.png"
    twin.write_bytes(make_picture(3))
    out = ["--heatmaps", str(tmp_path / "maps")]
    assert main(["predict", str(files[0]), str(twin), *bundle, *out]) == 1
    assert "same name" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["benchmark", "predict"])
def test_a_bundle_that_is_missing_is_named(
    command: str, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    positional = [str(files[0])] if command == "predict" else []
    assert main([command, *positional, "--bundle", str(tmp_path / "nothing")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert str(tmp_path / "nothing" / "model.json") in error


def test_the_last_line_of_the_benchmark_is_one_json_object(small_bundle: Path) -> None:
    command = [sys.executable, "-m", "ml", "benchmark", "--json", "--bundle", str(small_bundle)]
    numbers = ["--images", "4", "--rounds", "1", "--batch", "2", "--article-images", "1"]
    done = subprocess.run(
        [*command, *numbers], check=True, cwd=PROJECT, capture_output=True, text=True
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["batch"] == 2
    assert result["input_size"] == 64
    for name in ("images_per_second", "forward_images_per_second", "article_images_per_second"):
        assert result[name] > 0
    assert {"ratio_to_forward", "ratio_to_article", "device"} <= result.keys()
