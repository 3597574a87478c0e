"""The detectors of unfamiliar pictures, and the pictures they are tried on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from ml.foreign import (
    background_crops,
    blank_pictures,
    field_names,
    noise_pictures,
    photographs,
    read_boxes,
    text_pictures,
    white_cell_crops,
)
from ml.manifest import BundleError
from ml.unfamiliar import METHODS, detector_of, fit_detector, unit_length
from tests.ml_tests.conftest import make_manifest

WIDTH = 24


def clusters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two classes of embeddings along different axes, and the logits of a network that is sure."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    embeddings = np.abs(generator.normal(0, 0.1, (count, WIDTH)))
    embeddings[np.arange(count), labels] += 3
    logits = embeddings[:, :2] * 4
    return embeddings.astype(np.float32), logits.astype(np.float32), labels


@pytest.mark.parametrize("method", METHODS)
def test_known_cells_pass_and_strangers_do_not(method: str) -> None:
    embeddings, _logits, labels = clusters(400, 1)
    held, held_logits, _labels = clusters(400, 2)
    detector = fit_detector(
        method,
        embeddings=embeddings,
        labels=labels,
        validation_logits=held_logits,
        validation_embeddings=held,
        false_flags=0.01,
    )
    flagged = detector.scores(held_logits, held) > detector.threshold
    assert flagged.mean() <= 0.01
    fresh, fresh_logits, _labels = clusters(2000, 3)
    assert (detector.scores(fresh_logits, fresh) > detector.threshold).mean() < 0.03
    strange = np.abs(np.random.default_rng(4).normal(0, 1, (50, WIDTH))).astype(np.float32)
    strange[:, :2] = 0
    assert (detector.scores(strange[:, :2], strange) > detector.threshold).all()


def test_the_distance_is_that_of_scipy_under_the_shared_covariance() -> None:
    embeddings, logits, labels = clusters(300, 1)
    detector = fit_detector(
        "mahalanobis",
        embeddings=embeddings,
        labels=labels,
        validation_logits=logits,
        validation_embeddings=embeddings,
        false_flags=0.01,
    )
    means = [embeddings[labels == label].mean(axis=0) for label in (0, 1)]
    centred = embeddings - np.stack(means)[labels]
    covariance = centred.T @ centred / len(centred)
    covariance = 0.999 * covariance + 0.001 * np.trace(covariance) / WIDTH * np.eye(WIDTH)
    precision = np.linalg.inv(covariance)
    expected = [min(mahalanobis(row, mean, precision) ** 2 for mean in means) for row in embeddings]
    np.testing.assert_allclose(detector.scores(logits, embeddings), expected, rtol=1e-3)


def test_unit_length_leaves_a_row_of_zeros() -> None:
    found = unit_length(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]])


def test_a_bundle_without_a_detector_has_none() -> None:
    assert detector_of(make_manifest(), {}, Path("bundle")) is None


@pytest.mark.parametrize(
    "described",
    [
        {"method": "mahalanobis", "threshold": 3.0},
        {"method": "knn", "threshold": 3.0},
        {"method": "crystal ball", "threshold": 3.0},
        {"method": "energy", "threshold": "high"},
        {},
    ],
)
def test_a_detector_that_does_not_fit_its_arrays_is_refused(described: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=r"bundle/model\.json.*unfamiliar"):
        detector_of(make_manifest(unfamiliar=described), {}, Path("bundle"))


@pytest.mark.parametrize("make", [blank_pictures, noise_pictures, text_pictures])
def test_made_up_pictures_are_the_same_every_time(make) -> None:
    first, again, other = make(6, seed=1), make(6, seed=1), make(6, seed=2)
    assert len(first) == 6
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert any(a.tobytes() != b.tobytes() for a, b in zip(first, other, strict=True))


def test_photographs_need_no_download() -> None:
    pictures = photographs(seed=1, per_photograph=1)
    assert len(pictures) >= 10
    assert all(picture.mode == "RGB" and picture.width == picture.height for picture in pictures)


def test_background_crops_are_found_and_white_cells_lie_in_the_middle(shared_data: Path) -> None:
    bccd = shared_data / "bccd"
    names = field_names(bccd, "val")[:6]
    crops = background_crops(bccd, names, seed=1)
    assert len(crops) >= 4
    kinds = [kind for kind, _box in read_boxes(bccd / "annotations" / f"{names[0]}.xml")]
    assert "WBC" in kinds
    cells = white_cell_crops(bccd, names[:1])
    assert len(cells) == kinds.count("WBC")
    pixels = np.asarray(cells[0]).astype(float)
    middle = pixels.shape[0] // 4
    # A white cell's nucleus is dark in the green channel; what surrounds it is not.
    inside = pixels[middle:-middle, middle:-middle, 1].mean()
    assert inside < pixels[..., 1].mean()


def test_a_file_that_is_no_annotation_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    path.write_text("<annotation>")
    with pytest.raises(ValueError, match=r"broken\.xml"):
        read_boxes(path)
