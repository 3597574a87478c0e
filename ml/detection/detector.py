"""Find the cells of a field, however large."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ml.detection.decoding import Found, one_each, peaks_of
from ml.detection.manifest import (
    build_detector_network,
    load_detector_weights,
    read_detector_manifest,
)
from ml.detection.network import ALIGNMENT, CENTRES, SIDES
from ml.detection.sources import ArraySource, open_source
from ml.detection.tiles import Seams, windows_of
from ml.detection.views import BEYOND
from ml.device import find_device

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml.detection.manifest import DetectorManifest
    from ml.detection.sources import PixelSource

    # Pixels (n, height, width, 3) to centres and sides, as the network gives them.
    Network = Callable[[NDArray[np.float32]], Mapping[str, Any]]

# Scores below are of no use to any threshold; the curve of average precision ends here.
LEAST_SCORE = 0.03
# Cells of one window; a field of 640 x 480 has about fifteen, a window twenty times its area.
MOST_CELLS = 2000
# While the best weights are looked for, before limits are chosen.
OVERLAP_LIMITS = (0.6, 0.5, 0.5)
# Side of a window's core, in network pixels: first maps of 80 MB with the halo.
CORE = 640
# How far a centre may differ between two windows, in network pixels.
TOLERANCE = 8.0
# A cell whose box comes this near to the image's edge (network pixels) is cut by it.
EDGE = 2.0
# Mean diameter of a normal red cell in a smear, in micrometres (Bain, "Blood Cells", 2015).
RED_CELL = 7.5


@dataclass(frozen=True)
class Detection:
    """One cell found on a field, in pixels of the image.

    Attributes:
        cell_class: code of the class.
        score: in [0, 1].
        left: of the box.
        top: of the box.
        width: of the box.
        height: of the box.
        edges: edges of the image that cut the cell, of ``left``, ``top``, ``right``, ``bottom``.
    """

    cell_class: str
    score: float
    left: float
    top: float
    width: float
    height: float
    edges: tuple[str, ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box: x, y."""
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def diameter(self) -> float:
        """Square root of width times height."""
        return float(np.sqrt(self.width * self.height))

    @property
    def cut_by_border(self) -> bool:
        """Whether an edge of the image cuts the cell."""
        return bool(self.edges)


class Detector:
    """A detector's bundle, ready to be used. Not safe to be shared by threads.

    Attributes:
        manifest: of the bundle.
        device: where the network runs.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        precision: str = "auto",
        network: Network | None = None,
    ) -> None:
        """Load a bundle.

        Args:
            bundle: the folder.
            precision: as for :func:`ml.device.find_device`.
            network: to be asked in place of the bundle's own.

        Raises:
            ml.manifest.BundleError: when the bundle cannot be used.
            ValueError: for an unknown precision.
        """
        self.manifest: DetectorManifest = read_detector_manifest(bundle)
        arrays = load_detector_weights(bundle, self.manifest)
        device = find_device(precision)
        self.device = str(device)
        self._network = network or _compiled(
            build_detector_network(self.manifest, arrays, dtype=device.policy)
        )

    def detect(
        self,
        image: Any,
        *,
        zoom: float = 1.0,
        thresholds: Mapping[str, float] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> list[Detection]:
        """Find the cells of a field.

        Args:
            image: (height, width, 3) RGB bytes, a Pillow image, a path, or a
                :class:`ml.detection.sources.PixelSource`; large ones are read window by window.
            zoom: diameter of cells in the training fields over that in this one
                (:meth:`zoom_for`, :func:`ml.detection.scale.measure_zoom`).
            thresholds: in place of the bundle's, for some or all classes.
            progress: called with the share done, in (0, 1], after every window.

        Returns:
            The cells above the bundle's thresholds, from top to bottom and left to right.

        Raises:
            ValueError: when the image cannot be used.
        """
        source = as_source(image)
        limits = {**self.manifest.thresholds, **(thresholds or {})}
        found = self.find(source, zoom=zoom, least=min(limits.values()), progress=progress)
        wanted = np.array([limits[code] for code in self.manifest.classes])
        found = found.take(found.scores >= wanted[found.labels])
        return detections_of(found, self.manifest, source, zoom=zoom)

    def find(
        self,
        source: PixelSource,
        *,
        zoom: float = 1.0,
        least: float = LEAST_SCORE,
        progress: Callable[[float], None] | None = None,
    ) -> Found:
        """Find cells with their scores.

        Args:
            source: the image.
            zoom: as for :meth:`detect`.
            least: score of the least certain cell.
            progress: as for :meth:`detect`.

        Returns:
            The cells in pixels of the image, best score first.

        Raises:
            ValueError: when the zoom is not positive or leaves no pixels.
        """
        if not 0.01 <= zoom <= 100:
            raise ValueError(f"the zoom must lie between 0.01 and 100, not {zoom}")
        manifest = self.manifest
        scale = manifest.input_scale * zoom
        limits = [manifest.overlap_limits[code] for code in manifest.classes]
        reach = max(manifest.largest_sides.values()) * manifest.input_scale / 2 + TOLERANCE
        halo = int(np.ceil(reach / ALIGNMENT)) * ALIGNMENT
        seams = Seams(limits, tolerance=TOLERANCE / scale)
        windows = list(
            windows_of(
                source.width,
                source.height,
                core=max(1, round(CORE / scale)),
                halo=max(1, round(halo / scale)),
            )
        )
        for number, window in enumerate(windows, 1):
            width, height = window.right - window.left, window.bottom - window.top
            pixels = resized(source.read(window.left, window.top, width, height), scale)
            found = answer_of(
                self._network, pixels, limits=limits, least=least, mirrored=manifest.mirrored
            )
            factors = np.array([width / pixels.shape[1], height / pixels.shape[0]] * 2, np.float32)
            boxes = found.boxes * factors + np.array([window.left, window.top] * 2, np.float32)
            seams.add(window, Found(boxes, found.scores, found.labels))
            if progress:
                progress(number / len(windows))
        return seams.found()

    def zoom_for(self, micrometres_per_pixel: float) -> float:
        """Return the zoom of images whose pixels have this side.

        The magnification of the training fields is not recorded; it is taken from their red cells,
        of :data:`RED_CELL` micrometres.

        Raises:
            ValueError: for a side that is not positive.
        """
        if not micrometres_per_pixel > 0:
            raise ValueError("micrometres per pixel must be a positive number")
        return self.manifest.typical_diameters["rbc"] * micrometres_per_pixel / RED_CELL


def as_source(image: Any) -> PixelSource:
    """Return an array, a Pillow image, a path or a source as a source."""
    if isinstance(image, str | os.PathLike):
        return open_source(Path(image))
    if isinstance(image, Image.Image):
        return ArraySource(np.asarray(image.convert("RGB")))
    if isinstance(image, np.ndarray):
        return ArraySource(image)
    source: PixelSource = image
    return source


def detections_of(
    found: Found, manifest: DetectorManifest, source: PixelSource, *, zoom: float
) -> list[Detection]:
    """Return cells as detections, from top to bottom and left to right."""
    near = EDGE / (manifest.input_scale * zoom)
    detections = []
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        left, top, right, bottom = (float(value) for value in box)
        distances = {
            "left": left,
            "top": top,
            "right": source.width - right,
            "bottom": source.height - bottom,
        }
        detections.append(
            Detection(
                cell_class=manifest.classes[label],
                score=float(score),
                left=left,
                top=top,
                width=right - left,
                height=bottom - top,
                edges=tuple(name for name, distance in distances.items() if distance <= near),
            )
        )
    return sorted(detections, key=lambda cell: (cell.centre[1], cell.centre[0]))


def resized(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Resize by a factor with an antialiased bilinear filter; whole pixels, at least one."""
    if scale == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def aligned(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return one picture (1, height, width, 3) enlarged to the right and below to whole blocks."""
    height, width = pixels.shape[:2]
    canvas = np.empty(
        (1, -(-height // ALIGNMENT) * ALIGNMENT, -(-width // ALIGNMENT) * ALIGNMENT, 3), np.float32
    )
    canvas[:] = BEYOND
    canvas[0, :height, :width] = pixels
    return canvas


def answer_of(
    network: Network,
    pixels: NDArray[np.uint8],
    *,
    limits: Sequence[float] = OVERLAP_LIMITS,
    least: float = LEAST_SCORE,
    mirrored: bool = False,
) -> Found:
    """Run the network on a picture at its scale.

    Args:
        network: pixels (n, height, width, 3) to maps.
        pixels: (height, width, 3), RGB bytes.
        limits: per class, the largest overlap of two cells.
        least: score below which cells are dropped.
        mirrored: average the answers for the picture mirrored in both directions.

    Returns:
        The cells in pixels of the picture, clipped to it.
    """
    from scipy.special import expit

    canvas = aligned(pixels)
    views = [canvas]
    if mirrored:
        views = [canvas, canvas[:, :, ::-1], canvas[:, ::-1], canvas[:, ::-1, ::-1]]
    probability, sides = 0.0, 0.0
    for place, view in enumerate(views):
        answer = network(np.ascontiguousarray(view))
        centres = expit(np.asarray(answer[CENTRES])[0])
        distances = np.asarray(answer[SIDES])[0]
        distances = distances.reshape(*distances.shape[:2], -1, 4)
        if place in (1, 3):  # left and right changed places
            centres, distances = centres[:, ::-1], distances[:, ::-1, :, [2, 1, 0, 3]]
        if place in (2, 3):
            centres, distances = centres[::-1], distances[::-1, :, :, [0, 3, 2, 1]]
        probability = probability + centres / len(views)
        sides = sides + distances / len(views)
    found = peaks_of(np.asarray(probability), np.asarray(sides), least=least, most=MOST_CELLS)
    height, width = pixels.shape[:2]
    clipped = np.clip(found.boxes, 0, np.array([width, height, width, height], np.float32))
    return one_each(Found(clipped, found.scores, found.labels), limits)


def _compiled(model: Any) -> Network:
    """Return a Keras model as a function that is traced once for all sizes."""
    import tensorflow as tf

    traced = tf.function(
        lambda pixels: model(pixels, training=False),
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
    )
    network: Network = traced
    return network
