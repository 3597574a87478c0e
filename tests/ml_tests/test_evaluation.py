"""The figures of an evaluation, against scikit-learn's and against counting by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, recall_score

from ml.data import LabelledFiles
from ml.evaluation import evaluate, risk_coverage, subtype_of
from ml.evaluation_pictures import draw_evaluation
from ml.outputs import Outputs
from tests.ml_tests.conftest import make_manifest

CLASSES = ("ig", "monocyte", "neutrophil")
NAMES = ("MMY_1.jpg", "MMY_2.jpg", "MY_3.jpg", "MO_4.jpg", "MO_5.jpg", "BNE_6.jpg", "SNE_7.jpg")
LABELS = np.array([0, 0, 0, 1, 1, 2, 2])
# One metamyelocyte is taken for a neutrophil with confidence, one monocyte for an ig without.
LOGITS = np.array(
    [[4, 0, 0], [0, 0, 5], [6, 0, 0], [0, 3, 0], [1, 0.5, 0], [0, 0, 7], [0, 0, 2]], np.float32
)


@pytest.fixture
def figures() -> dict:
    files = LabelledFiles(
        CLASSES,
        tuple(Path("data") / CLASSES[k] / name for k, name in zip(LABELS, NAMES, strict=True)),
        LABELS,
    )
    manifest = make_manifest(classes=CLASSES, temperature=1.0, review_threshold=0.9)
    outputs = Outputs(LOGITS, np.zeros((7, 512), np.float32))
    flags = np.array([True, *[False] * 6])
    return evaluate(files, outputs, manifest, unfamiliar=flags)


def test_the_usual_figures_are_scikit_learns(figures: dict) -> None:
    predicted = LOGITS.argmax(axis=1)
    assert figures["n"] == 7
    assert figures["accuracy"] == pytest.approx(accuracy_score(LABELS, predicted))
    recalls = recall_score(LABELS, predicted, average=None)
    assert list(figures["per_class_recall"].values()) == pytest.approx(list(recalls))
    assert figures["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert figures["macro_f1"] == pytest.approx(f1_score(LABELS, predicted, average="macro"))
    assert figures["confusion_matrix"] == [[2, 0, 1], [1, 1, 0], [0, 0, 2]]
    assert figures["per_class"]["neutrophil"]["precision"] == pytest.approx(2 / 3)
    low, high = figures["per_class"]["monocyte"]["recall_interval"]
    assert low == pytest.approx(0.0126, abs=1e-4)  # 1 of 2, tabled
    assert high == pytest.approx(0.9874, abs=1e-4)


def test_errors_are_listed_by_confidence_and_by_subtype(figures: dict) -> None:
    assert [(item["file"], item["predicted"]) for item in figures["errors"]] == [
        ("ig/MMY_2.jpg", "neutrophil"),
        ("monocyte/MO_5.jpg", "ig"),
    ]
    assert figures["subtypes"]["ig/MMY"]["n"] == 2
    assert figures["subtypes"]["ig/MMY"]["taken_for"] == {"neutrophil": 1}
    assert figures["subtypes"]["ig/MY"]["errors"] == 0


def test_selection_and_flags(figures: dict) -> None:
    """Above 0.9 lie 4, 5, 6, 3 and 7 against zeros; 2 and 1 against 0.5 do not."""
    assert figures["selective"]["cells"] == 5
    assert figures["selective"]["errors"] == 1
    assert figures["selective"]["accuracy"] == pytest.approx(0.8)
    assert figures["unfamiliar"]["flagged"] == 1


def test_risk_falls_as_fewer_cells_are_kept() -> None:
    confidence = np.linspace(0.5, 1, 100)
    right = np.arange(100) >= 10
    rows = {row["coverage"]: row for row in risk_coverage(confidence, right)}
    assert rows[1.0]["risk"] == pytest.approx(0.1)
    assert rows[0.95]["risk"] == pytest.approx(5 / 95)
    assert rows[0.9]["risk"] == 0
    assert rows[0.9]["threshold"] == pytest.approx(confidence[10])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("BNE_123.jpg", "BNE"), ("NEUTROPHIL_8.jpg", "NEUTROPHIL"), ("12.jpg", ""), ("a1.jpg", "")],
)
def test_the_subtype_is_the_prefix(name: str, expected: str) -> None:
    assert subtype_of(name) == expected


@pytest.mark.parametrize("language", ["en", "es"])
def test_pictures_are_drawn_in_both_languages(figures: dict, tmp_path: Path, language: str) -> None:
    draw_evaluation(figures, tmp_path, language=language)
    ending = "" if language == "en" else ".es"
    for name in ("confusion", "reliability", "risk-coverage"):
        with Image.open(tmp_path / f"{name}{ending}.png") as picture:
            colours = picture.convert("RGB").getcolors(1 << 20)
            assert colours is not None
            assert len(colours) > 20
