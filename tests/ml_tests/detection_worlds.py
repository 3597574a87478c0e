"""Detectors and fields whose right answers are known, without training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import find_objects, label

from ml.detection.fields import CLASSES
from ml.detection.manifest import DetectorManifest, write_detector
from ml.detection.network import CENTRES, SIDES, STRIDE, Widths, weight_shapes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TINY = Widths(encoder=(4, 4, 4, 4, 4), head=4, blocks=1)
# Discs of these colours are cells; the network below knows them by their blue.
COLOURS = {"rbc": (220, 150, 120), "wbc": (120, 60, 160), "platelet": (150, 90, 200)}
DIAMETERS = {"rbc": 40, "wbc": 90, "platelet": 18}
BACKGROUND = (240, 240, 240)


def make_detector_manifest(**changes: Any) -> DetectorManifest:
    """A manifest of a tiny network that sees fields at half their size."""
    values: dict[str, Any] = {
        "name": "tiny",
        "classes": CLASSES,
        "input_scale": 0.5,
        "widths": TINY,
        "thresholds": dict.fromkeys(CLASSES, 0.5),
        "overlap_limits": dict.fromkeys(CLASSES, 0.6),
        "mirrored": False,
        "typical_diameters": {code: float(value) for code, value in DIAMETERS.items()},
        "largest_sides": {code: float(value) for code, value in DIAMETERS.items()},
        "data_licence": "none: random weights",
    }
    return DetectorManifest(**(values | changes))


def make_detector_arrays(seed: int = 3) -> dict[str, NDArray[np.float32]]:
    """Random weights of the tiny network."""
    generator = np.random.default_rng(seed)
    shapes = weight_shapes(TINY, classes=len(CLASSES))
    return {name: generator.normal(0, 0.2, shape) for name, shape in shapes.items()}


def write_tiny(folder: Path, **changes: Any) -> Path:
    """A whole bundle of the tiny network."""
    write_detector(folder, make_detector_manifest(**changes), make_detector_arrays())
    return folder


def disc_network(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What a perfect network would answer for discs that do not touch.

    A disc cut by the edge of what it sees is found as the part that is seen, as a trained network
    finds it.
    """
    _, height, width, _ = pixels.shape
    shape = (1, height // STRIDE, width // STRIDE)
    centres = np.full((*shape, len(CLASSES)), -9.0, np.float32)
    sides = np.zeros((*shape, len(CLASSES), 4), np.float32)
    for place, code in enumerate(CLASSES):
        red, _, blue = COLOURS[code]
        mine = (abs(pixels[0, ..., 0] - red) < 25) & (abs(pixels[0, ..., 2] - blue) < 18)
        numbered, _count = label(mine)
        areas = np.bincount(numbered.ravel())
        for number, (rows, columns) in enumerate(find_objects(numbered), 1):
            if areas[number] < 12:
                continue
            box = np.array([columns.start, rows.start, columns.stop, rows.stop]) / STRIDE
            middle = (box[:2] + box[2:]) / 2
            x, y = np.minimum(middle.astype(int), [shape[2] - 1, shape[1] - 1])
            # Rims seen whole look surer than the rest of a disc that was cut.
            centres[0, y, x, place] = 2.0 + areas[number] / 1e4
            edges = np.array(
                [x + 0.5 - box[0], y + 0.5 - box[1], box[2] - x - 0.5, box[3] - y - 0.5]
            )
            sides[0, y, x, place] = np.log(np.maximum(edges, 0.01))
    return {CENTRES: centres, SIDES: sides.reshape(*shape, -1)}


def place_discs(
    width: int, height: int, *, count: int, seed: int, inside: bool = False
) -> list[tuple[str, float, float]]:
    """Centres of discs that do not touch: class, x, y. Some lie across the field's edge."""
    generator = np.random.default_rng(seed)
    placed: list[tuple[str, float, float]] = []
    codes = list(CLASSES)
    for _ in range(50 * count):
        if len(placed) == count:
            break
        code = codes[int(generator.choice(3, p=[0.6, 0.15, 0.25]))]
        radius = DIAMETERS[code] / 2
        margin = radius + 6 if inside else 2
        x, y = generator.uniform(margin, [width - margin, height - margin]).tolist()
        if all(
            np.hypot(x - u, y - v) > radius + DIAMETERS[other] / 2 + 14 for other, u, v in placed
        ):
            placed.append((code, x, y))
    return placed


def draw_discs(
    discs: list[tuple[str, float, float]], size: tuple[int, int], offset: tuple[int, int] = (0, 0)
) -> NDArray[np.uint8]:
    """Draw discs, or the window of a larger picture that begins at ``offset``."""
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for code, x, y in discs:
        radius = DIAMETERS[code] / 2
        u, v = x - offset[0], y - offset[1]
        if -radius <= u <= size[0] + radius and -radius <= v <= size[1] + radius:
            draw.ellipse((u - radius, v - radius, u + radius, v + radius), fill=COLOURS[code])
    return np.asarray(picture)
