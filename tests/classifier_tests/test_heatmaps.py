"""Heatmaps as pictures: colour, opacity, place over the photo."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cases.models import SmearCase
from classifier import colormap
from classifier.heatmaps import class_map, heatmap_etag, heatmap_png, legend_png
from classifier.models import ModelVersion, Prediction
from classifier.services import work
from tests.classifier_tests.fakes import FakePredictor, queue_cells


@pytest.fixture
def prediction(version: ModelVersion, case: SmearCase) -> Prediction:
    queue_cells(case, 1)
    work.run_pending(predictor=FakePredictor())
    return Prediction.objects.select_related("cell", "model_version").get()


def draw(prediction: Prediction, **options: Any) -> np.ndarray:
    wanted = {"class_code": "monocyte", "size": 240, "alpha": 0.6, **options}
    picture = Image.open(BytesIO(heatmap_png(prediction, **wanted)))
    assert picture.mode == "RGBA"
    return np.asarray(picture)


def test_the_map_lies_in_the_square_the_model_saw(prediction: Prediction) -> None:
    pixels = draw(prediction)
    assert pixels.shape == (240, 240, 4)
    opacity = pixels[..., 3]
    margin = int(240 * (1 - 0.75) / 2)
    assert not opacity[:margin].any()
    assert not opacity[:, :margin].any()
    assert not opacity[-margin:].any()
    # Hottest in the upper left of the square, nothing in the lower right.
    assert opacity.max() == opacity[margin : margin + 30, margin : margin + 30].max()
    assert not opacity[150:, 150:].any()


def test_an_oblong_cell_keeps_its_proportions(prediction: Prediction) -> None:
    prediction.cell.width, prediction.cell.height = 360, 180
    pixels = draw(prediction, size=200)
    assert pixels.shape == (100, 200, 4)
    columns = np.flatnonzero(pixels[..., 3].any(axis=0))
    assert columns.min() >= (200 - 75) // 2


def test_alpha_bounds_the_opacity(prediction: Prediction) -> None:
    assert draw(prediction, alpha=0.0)[..., 3].max() == 0
    assert draw(prediction, alpha=1.0)[..., 3].max() == 255
    assert draw(prediction, alpha=0.5)[..., 3].max() == pytest.approx(128, abs=1)


def test_the_peak_has_the_last_colour(prediction: Prediction) -> None:
    pixels = draw(prediction, alpha=1.0)
    row, column = np.unravel_index(pixels[..., 3].argmax(), pixels.shape[:2])
    assert tuple(pixels[row, column, :3]) == tuple(colormap.PALETTE[-3:])


def test_a_class_without_influence_is_wholly_transparent(prediction: Prediction) -> None:
    assert not draw(prediction, class_code="platelet")[..., 3].any()


def test_class_maps_are_told_apart(prediction: Prediction) -> None:
    assert class_map(prediction, "monocyte").getpixel((0, 0)) == 255
    assert class_map(prediction, "lymphocyte").getextrema() == (0, 0)
    with pytest.raises(KeyError):
        class_map(prediction, "blast")


def test_the_etag_depends_on_everything_drawn(prediction: Prediction) -> None:
    tags = {
        heatmap_etag(prediction, class_code=code, size=size, alpha=alpha)
        for code in ("monocyte", "ig")
        for size in (100, 200)
        for alpha in (0.2, 0.4)
    }
    assert len(tags) == 8


def test_the_legend_runs_through_the_palette() -> None:
    pixels = np.asarray(Image.open(BytesIO(legend_png(alpha=1.0))))
    assert pixels[0, :, :3].tobytes() == colormap.PALETTE
    assert list(pixels[0, :, 3]) == list(range(256))


def test_the_palette_is_matplotlibs_viridis_and_grows_in_lightness() -> None:
    from matplotlib import colormaps
    from skimage.color import rgb2lab

    palette = np.frombuffer(colormap.PALETTE, np.uint8).reshape(256, 3)
    published = np.array([colormaps["viridis"](value)[:3] for value in range(256)])
    np.testing.assert_allclose(palette / 255, published, atol=0.5 / 255 + 1e-9)
    lightness = rgb2lab(palette[None])[0, :, 0]
    steps = np.diff(lightness[::8])
    assert (steps > 0).all()
    assert steps.max() < 1.5 * steps.min()
