"""Training: the recipes, the sampler, and a run that is killed and goes on to the very bits."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.data import frames_of, read_folder
from ml.initial_weights import read_weights
from ml.preprocessing import FULL_CHROMA, prepare
from ml.recipes import RECIPES, Recipe, recipe_from_json
from ml.sampling import Sampler
from ml.training import read_data, start_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Two classes told apart by colour, twelve pictures each."""
    generator = np.random.default_rng(1)
    for channel, name in enumerate(("red", "green")):
        folder = tmp_path / "cells" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 80, (48, 48, 3), dtype=np.uint8)
            pixels[12:36, 12:36, channel] += 150
            Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return tmp_path / "cells"


def command(cells: Path, out: Path, *more: str) -> list[str]:
    choices = "--weights none --input-size 32 --epochs 1.5 --batch-size 4 --warm-up 2 --focus 0.3"
    return [
        sys.executable, "-m", "ml", "train", str(cells), "--out", str(out),
        *choices.split(), "--precision", "float32", "--validation-share", "0.2", *more,
    ]  # fmt: skip


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(stream)
        ]


def wait_for(condition, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline, "the run took too long"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.processes
def test_a_killed_run_ends_with_the_same_bits(cells: Path, tmp_path: Path) -> None:
    """Killed in the third of three periods, with hard examples and averaging on."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    uninterrupted = start(command(cells, whole))
    process = start(command(cells, broken))
    log = broken / "log.csv"
    wait_for(
        lambda: (broken / "backup" / "state.npz").exists() and log.read_text().count("\n") >= 3,
        process,
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    periods_before = len(rows(log))
    assert periods_before == 2

    assert start(command(cells, broken, "--resume")).wait(timeout=200) == 0
    assert uninterrupted.wait(timeout=200) == 0
    for name in ("weights.npz", "last.npz"):
        with np.load(whole / name) as expected, np.load(broken / name) as found:
            assert sorted(expected.files) == sorted(found.files)
            for key in expected.files:
                np.testing.assert_array_equal(expected[key], found[key], err_msg=f"{name} {key}")
    assert rows(whole / "log.csv") == rows(log)
    assert len(rows(log)) == 3
    assert not (broken / "backup").exists()
    run = json.loads((broken / "run.json").read_text())
    assert run["finished"]
    assert run["image_steps"] == 3 * 2 * 4
    with Image.open(broken / "curves.png") as picture:
        assert picture.width > 300


def test_a_run_is_not_written_over_or_resumed_with_other_choices(
    cells: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    arguments = ["train", str(cells), "--out", str(out), "--weights", "none", "--epochs", "1"]
    recipe = dataclasses.replace(RECIPES["default"], epochs=2.0).to_json()
    content = {"recipe": recipe, "weights": "none", "finished": False}
    (out / "run.json").write_text(json.dumps(content))
    assert main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 1
    assert "another recipe" in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text()) == content


def test_a_run_from_before_a_choice_existed_goes_on(cells: Path, tmp_path: Path) -> None:
    data = read_data(cells, RECIPES["default"])
    begun = start_run(tmp_path, RECIPES["default"], data, weights="none", resume=False)
    del begun["recipe"]["augmentation"]["turns"]
    (tmp_path / "run.json").write_text(json.dumps(begun))
    found = start_run(tmp_path, RECIPES["default"], data, weights="none", resume=True)
    assert found == begun


ON_DEVICES = """
import json
import numpy as np
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from ml.recipes import Recipe
from ml.sampling import Sampler
from ml.training_model import build_trainee
generator = np.random.default_rng(5)
pictures = generator.uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
answers = {
    "target": np.eye(2, dtype=np.float32)[[0, 1, 1, 1]],
    "index": np.arange(4),
    "mask": generator.uniform(0, 1, (4, 32, 32)).astype(np.float32),
}
recipe = Recipe(name="default", input_size=32, focus=0.5)
sampler = Sampler(4, batch_size=4, periods_per_pass=1, hard=0.3, seed=1)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    trainee = build_trainee(recipe, classes=2, precision="float32", sampler=sampler)
def loss(part):
    y = {name: tf.constant(values[part]) for name, values in answers.items()}
    return trainee.compute_loss(None, y, trainee(tf.constant(pictures[part])), training=True)
whole = float(loss(slice(0, 4)))
seen = sampler.losses.copy()
halves = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(2 * context.replica_id_in_sync_group)
)
parts = strategy.run(lambda first: loss(slice(int(first), int(first) + 2)), (halves,))
together = float(strategy.reduce("SUM", parts, axis=None))
trainee.focus = 0.0
plain = float(loss(slice(0, 4)))
print(json.dumps([whole, together, plain, seen.tolist(), sampler.losses.tolist()]))
"""


@pytest.mark.processes
def test_two_devices_that_share_a_batch_add_up_to_the_loss_of_one() -> None:
    """What MirroredStrategy adds up over devices; two halves of the processor stand for them."""
    done = subprocess.run(
        [sys.executable, "-c", ON_DEVICES],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    whole, together, plain, seen, seen_after = json.loads(done.stdout)
    assert together == pytest.approx(whole, rel=1e-5)
    assert whole > plain + 0.05, "the share of the focus is in it"
    assert all(after < before < 1 for before, after in zip(seen, seen_after, strict=True))


def test_recipes_say_what_the_article_did_and_survive_json() -> None:
    article = RECIPES["article"]
    assert (article.head, article.input_size, article.epochs, article.freeze) == (
        "flatten",
        224,
        25,
        0,
    )
    assert article.schedule == "plateau"
    assert article.patience > 0
    for recipe in RECIPES.values():
        assert recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    "change", [{"head": "round"}, {"input_size": 16}, {"epochs": 0}, {"hard": 2}, {"ema": 1.0}]
)
def test_a_recipe_without_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"head|small|positive|hard|ema"):
        dataclasses.replace(RECIPES["default"], **change)


def test_a_pass_shows_every_picture_once_and_losses_move_the_draws() -> None:
    def period(sampler: Sampler, number: int) -> np.ndarray:
        sampler.period = number
        return np.array([index for _draw, index in sampler.draws()])

    even = Sampler(40, batch_size=4, periods_per_pass=2, hard=0.0, seed=1)
    assert sorted([*period(even, 0), *period(even, 1)]) == list(range(40))
    assert list(period(even, 2)) != list(period(even, 0))

    hard = Sampler(40, batch_size=4, periods_per_pass=1, hard=0.9, seed=1)
    assert sorted(period(hard, 0)) == list(range(40))
    for _ in range(12):
        hard.record(np.arange(40), np.where(np.arange(40) < 4, 5.0, 0.01).astype(np.float32))
    drawn = np.concatenate([period(hard, number) for number in range(1, 30)])
    assert (drawn < 4).mean() > 0.5
    assert list(period(hard, 3)) == list(period(hard, 3))


def test_frames_are_those_of_serving_and_are_decoded_once(cells: Path, tmp_path: Path) -> None:
    files = read_folder(cells)
    cache = tmp_path / "cache"
    frames = frames_of(files.paths, size=32, crop=0.75, version=FULL_CHROMA, cache=cache)
    with Image.open(files.paths[5]) as image:
        np.testing.assert_array_equal(frames[5], prepare(image, size=32, crop=0.75))
    (kept,) = cache.iterdir()
    written = kept.stat().st_mtime_ns
    frames_of(files.paths, size=32, crop=0.75, version=FULL_CHROMA, cache=cache)
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [written]
    files.paths[0].write_bytes(b"gone bad")
    with pytest.raises(ValueError, match=files.paths[0].name):
        frames_of(files.paths, size=32, crop=0.75, version=FULL_CHROMA, cache=cache)


def test_imagenet_without_a_network_says_what_to_do(
    cells: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    import keras

    def fail(**_arguments: object) -> None:
        raise Exception("URL fetch failure on https://storage.googleapis.com")

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    with pytest.raises(ValueError, match=r"--weights PATH"):
        read_weights("imagenet")
    out = tmp_path / "run"
    assert main(["train", str(cells), "--out", str(out), "--weights", "imagenet"]) == 1
    assert "--weights PATH" in capsys.readouterr().err
    assert not out.exists(), "a second try must not be told that there is a run"


def test_the_network_learns_what_the_loss_reports() -> None:
    """One step of Model.fit: frozen blocks stand still, the sampler hears every picture's loss."""
    import tensorflow as tf

    from ml.initial_weights import weights_of
    from ml.training_model import build_trainee

    recipe = Recipe(name="t", input_size=32, freeze=4, label_smoothing=0.1, dropout=0.0, warm_up=0)
    sampler = Sampler(4, batch_size=4, periods_per_pass=1, hard=0.0, seed=1)
    model = build_trainee(recipe, classes=2, precision="float32", sampler=sampler)
    before = weights_of(model)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")
    logits = model(pictures)["logits"].numpy()
    target = np.eye(2, dtype="float32")[[0, 1, 0, 1]]
    batch = (pictures, {"target": target, "index": np.array([2, 0, 3, 1])})
    model.fit(tf.data.Dataset.from_tensors(batch), epochs=1, verbose=0)

    smooth = target * 0.9 + 0.05
    losses = -(smooth * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1)
    np.testing.assert_allclose(sampler.losses[[2, 0, 3, 1]], 0.5 + 0.5 * losses, rtol=1e-4)
    after = weights_of(model)
    for name, value in before.items():
        moved = not np.array_equal(value, after[name])
        assert moved == name.startswith(("block5", "prediction")), name
