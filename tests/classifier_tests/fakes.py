"""A model that answers at once, for tests in which inference itself is not the point."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cases.models import Cell, SmearCase
from classifier.models import ModelVersion
from ml.predictor import UNDECODABLE, CellPrediction
from tests.conftest import CLASSES
from tests.factories import CaseImageFactory, CellFactory


def answer(code: str = "monocyte", confidence: float = 0.9, **attributes: Any) -> CellPrediction:
    """A whole prediction of this class; its heatmap is hottest in the upper left corner."""
    probabilities = np.full(len(CLASSES), (1 - confidence) / (len(CLASSES) - 1), np.float32)
    probabilities[CLASSES.index(code)] = confidence
    heatmaps = np.zeros((len(CLASSES), 4, 4), np.float32)
    heatmaps[CLASSES.index(code), 0, 0] = 2.5
    return CellPrediction(
        predicted_class=code,
        confidence=confidence,
        probabilities=probabilities,
        heatmap_classes=CLASSES,
        heatmaps=heatmaps,
        embedding=np.arange(512, dtype=np.float32),
        **attributes,
    )


def no_answer(error: str = UNDECODABLE) -> CellPrediction:
    nothing = np.zeros(0, np.float32)
    return CellPrediction("", math.nan, nothing, (), nothing.reshape(0, 0, 0), nothing, error)


@dataclass
class FakePredictor:
    """Answers every picture alike; ``before`` runs where inference would, with the batch."""

    reply: Callable[[Any], CellPrediction] = lambda picture: answer()
    before: Callable[[Sequence[Any]], None] = lambda pictures: None
    device: str = "CPU fake, float32"
    batches: list[int] = field(default_factory=list)

    def predict(self, images: Sequence[Any]) -> list[CellPrediction]:
        self.batches.append(len(images))
        self.before(images)
        return [self.reply(image) for image in images]


def make_version(name: str = "model one", *, active: bool = True, **fields: Any) -> ModelVersion:
    """A registered version whose bundle does not exist."""
    values: dict[str, Any] = {
        "name": name,
        "bundle": "nowhere",
        "architecture": "vgg19",
        "head": "gap",
        "classes": list(CLASSES),
        "input_size": 64,
        "preprocessing_version": "vgg-centre-crop-1",
        "temperature": 1.0,
        "review_threshold": 0.8,
        "weights_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "manifest": {"crop": 0.75},
        "active": active,
    }
    return ModelVersion.objects.create(**{**values, **fields})


def queue_cells(case: SmearCase, count: int) -> list[Cell]:
    """Cells as an upload leaves them: queued, each with an image of its own, without jobs."""
    images = [CaseImageFactory(case=case) for _ in range(count)]
    return [CellFactory(case=case, image=image) for image in images]
