"""From weights to a card: the whole sequence of commands on a small network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.card import card_text
from ml.manifest import read_manifest
from ml.predictor import Predictor
from tests.ml_tests.conftest import CLASSES, make_manifest, make_weights


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory, pbc_images: dict[str, list[Path]]) -> Path:
    """Six real cells of every class, and four others."""
    root = tmp_path_factory.mktemp("cells")
    for code, paths in pbc_images.items():
        for part, chosen in (("held", paths[:6]), ("known", paths[6:10])):
            (root / part / code).mkdir(parents=True)
            for path in chosen:
                (root / part / code / path.name).symlink_to(path)
    return root


def run(capsys, *arguments: object) -> dict:
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_export_calibrate_fit_evaluate_and_card(cells: Path, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "weights.npz", **make_weights(make_manifest()))
    (tmp_path / "provenance.json").write_text(json.dumps({"warm_start": "random numbers"}))
    bundle = tmp_path / "bundle"
    run(
        capsys, "export", tmp_path / "weights.npz", "--head", "gap", "--input-size", 64,
        "--crop", 0.75, "--provenance", tmp_path / "provenance.json", "--out", bundle,
    )  # fmt: skip
    fresh = (bundle / "README.md").read_text()
    assert "Nothing has been measured" in fresh
    assert "random numbers" in fresh
    assert read_manifest(bundle).review_threshold == 1.0

    calibrated = run(capsys, "calibrate", cells / "held", "--bundle", bundle)
    manifest = read_manifest(bundle)
    assert manifest.temperature == calibrated["temperature"]
    assert manifest.review_threshold == calibrated["review_threshold"]

    fitted = run(
        capsys, "unfamiliar", cells / "known", cells / "held", "--bundle", bundle,
        "--method", "energy", "--false-flags", 0.1, "--test", cells / "held",
    )  # fmt: skip
    assert fitted["measured"]["test cells"]["share"] <= 0.1
    predictor = Predictor(bundle)
    answers = predictor.predict([path.read_bytes() for path in sorted(cells.glob("held/ig/*"))])
    predictor.close()
    threshold = read_manifest(bundle).unfamiliar["threshold"]
    assert all(answer.unfamiliar == (answer.unfamiliarity > threshold) for answer in answers)
    assert all(np.isfinite(answer.unfamiliarity) for answer in answers)

    figures = run(
        capsys, "evaluate", cells / "held", "--bundle", bundle,
        "--json", tmp_path / "eval.json", "--out", tmp_path / "pictures",
    )  # fmt: skip
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "per_class_recall", "ece", "n"):
        assert name in figures
    assert figures["n"] == 48
    assert list(figures["per_class_recall"]) == list(CLASSES)
    assert figures["unfamiliar"]["flagged"] == fitted["measured"]["test cells"]["flagged"]
    assert json.loads((tmp_path / "eval.json").read_text()) == figures

    (tmp_path / "log.csv").write_text("image_steps,val_accuracy,val_loss\n10,0.5,2\n20,0.75,1\n")
    assert main(
        ["card", "--bundle", str(bundle), "--evaluation", str(tmp_path / "eval.json"),
         "--pictures", str(tmp_path / "pictures"),
         "--log", str(tmp_path / "log.csv"), str(tmp_path / "log.csv")]
    ) == 0  # fmt: skip
    metrics = read_manifest(bundle).metrics
    assert [row["image_steps"] for row in metrics["curve"]] == [10, 20, 30, 40]
    assert read_manifest(bundle).weights_sha256 == figures["weights_sha256"]
    english, spanish = ((bundle / name).read_text() for name in ("README.md", "README.es.md"))
    shown = f"**{100 * figures['accuracy']:.2f} %**"
    assert shown in english
    assert f"`{cells.name}/held`" in english
    assert shown in spanish
    assert "never a diagnosis" in english
    assert "Nunca es un diagnóstico" in spanish
    for text in (english, spanish):
        assert "CC BY 4.0" in text
        for picture in re.findall(r"\]\((\S+\.png)\)", text):
            with Image.open(bundle / picture) as image:
                image.verify()


def test_figures_of_other_weights_do_not_enter_a_card(
    small_bundle: Path, tmp_path: Path, capsys
) -> None:
    manifest = read_manifest(small_bundle)
    figures = {"temperature": manifest.temperature, "weights_sha256": "0" * 64}
    (tmp_path / "eval.json").write_text(json.dumps(figures))
    arguments = ["card", "--bundle", str(small_bundle), "--evaluation", str(tmp_path / "eval.json")]
    assert main(arguments) == 1
    assert "run `evaluate` again" in capsys.readouterr().err
    assert read_manifest(small_bundle) == manifest


def test_evaluate_names_folders_that_are_no_classes(
    small_bundle: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "blast").mkdir()
    assert main(["evaluate", str(tmp_path), "--bundle", str(small_bundle)]) == 1
    assert "blast are no classes" in capsys.readouterr().err


def test_a_card_shows_only_what_was_measured() -> None:
    for language in ("en", "es"):
        text = card_text(make_manifest(), language, sheet=False)
        assert not re.search(r"\d %\*\*|\.png", text)


def test_faithfulness_on_a_network_of_random_weights(
    cells: Path, small_bundle: Path, capsys
) -> None:
    """A network that learnt nothing: shares in range, and its maps do not survive new weights."""
    figures = run(
        capsys,
        "faithfulness",
        cells / "held",
        "--bundle",
        small_bundle,
        "--sample",
        1,
        "--curves",
        1,
    )
    for name in ("energy", "energy_shifted"):
        item = figures[name]
        assert 0 < item["n"] <= 8
        assert 0 < item["uniform"] < item["gaussian"] < 1
        assert 0 <= item["gradcam"] <= 1
    assert abs(figures["randomised"]["all layers"]) < 0.9
    for kind in ("gradcam", "uniform", "gaussian"):
        assert 0 <= figures["curves"][kind]["deletion"] <= 1
