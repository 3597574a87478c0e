"""Large images: every cell is found once, whatever seams run through it, in bounded memory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from ml.commands.arguments import DEFAULT_DETECTOR
from ml.detection import detector as detector_module
from ml.detection.boxes import overlaps
from ml.detection.detector import Detection, Detector
from ml.detection.fields import field_pixels, read_fields
from ml.detection.sources import ArraySource, TiffSource, open_source
from ml.detection.tiles import windows_of
from tests.conftest import missing
from tests.ml_tests.detection_worlds import (
    DIAMETERS,
    disc_network,
    draw_discs,
    place_discs,
    write_tiny,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def discs_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose own network is never asked."""
    return write_tiny(tmp_path_factory.mktemp("detectors") / "detect-tiny")


@pytest.fixture
def finder(discs_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Detector:
    """A detector of discs with windows so small that seams run everywhere."""
    monkeypatch.setattr(detector_module, "CORE", 96)
    return Detector(discs_bundle, network=disc_network)


def agree(found: list[Detection], discs: list[tuple[str, float, float]]) -> None:
    """Every disc was found once, at its place, with its size; and nothing else was."""
    assert len(found) == len(discs)
    left = list(discs)
    for cell in found:
        x, y = cell.centre
        nearest = min(left, key=lambda disc: np.hypot(disc[1] - x, disc[2] - y))
        assert np.hypot(nearest[1] - x, nearest[2] - y) < 3
        assert cell.cell_class == nearest[0]
        assert cell.diameter == pytest.approx(DIAMETERS[nearest[0]], abs=5)
        left.remove(nearest)


def test_windows_cover_the_image_once_and_reach_beyond_their_cores() -> None:
    windows = list(windows_of(250, 130, core=100, halo=30))
    cores = np.zeros((130, 250), int)
    for window in windows:
        left, top, right, bottom = window.core
        cores[top:bottom, left:right] += 1
        assert (window.left, window.top) == (max(0, left - 30), max(0, top - 30))
        assert (window.right, window.bottom) == (min(250, right + 30), min(130, bottom + 30))
    assert (cores == 1).all()
    assert [(window.row, window.column) for window in windows] == [
        (row, column) for row in range(2) for column in range(3)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_mosaic_with_known_answers_is_counted_once(finder: Detector, seed: int) -> None:
    # 1000 x 800 pixels at half size: cores of 96 network pixels make 6 x 5 windows.
    discs = place_discs(1000, 800, count=120, seed=seed, inside=True)
    assert len(discs) > 80
    shares: list[float] = []
    found = finder.detect(draw_discs(discs, (1000, 800)), progress=shares.append)
    agree(found, discs)
    assert not any(cell.cut_by_border for cell in found)
    assert shares == pytest.approx(np.arange(1, 31) / 30)


def test_discs_right_upon_seams_and_crossings_are_counted_once(finder: Detector) -> None:
    seams = [192 * step for step in range(1, 4)]
    for shift in (-1.0, 0.0, 0.4, 1.0, 7.0, 17.0):
        discs = [("rbc", x + shift, y + shift) for x in seams for y in seams]
        agree(finder.detect(draw_discs(discs, (770, 770))), discs)
        discs = [("wbc", x + shift, y) for x in seams for y in (96, 288, 480)]
        agree(finder.detect(draw_discs(discs, (770, 600))), discs)


def test_cells_at_the_edge_say_which_edge_cuts_them(finder: Detector) -> None:
    discs = [
        ("rbc", 3, 100),
        ("rbc", 200, 2),
        ("wbc", 290, 110),
        ("rbc", 100, 198),
        ("rbc", 60, 60),
    ]
    cells = finder.detect(draw_discs(discs, (300, 200)))
    edges = {(round(cell.centre[0], -1), round(cell.centre[1], -1)): cell.edges for cell in cells}
    assert set(edges.values()) == {("left",), ("top",), ("right",), ("bottom",), ()}
    assert sum(cell.cut_by_border for cell in cells) == 4
    for cell in cells:
        assert cell.left >= 0
        assert cell.left + cell.width <= 300


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", {}),
        ("tiled", {"tile": (128, 128), "compression": "zlib"}),
        ("strips", {"rowsperstrip": 48, "compression": "zlib"}),
        ("tiled-plain", {"tile": (64, 192)}),
    ],
)
def test_tiff_windows_hold_the_pixels_of_the_file(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (300, 410, 3), dtype=np.uint8)
    path = tmp_path / f"{name}.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", **options)
    with TiffSource(path) as source:
        assert (source.width, source.height) == (410, 300)
        for left, top, width, height in ((0, 0, 410, 300), (120, 40, 100, 90), (409, 299, 1, 1)):
            window = source.read(left, top, width, height)
            assert np.array_equal(window, pixels[top : top + height, left : left + width])


def test_a_detector_reads_ome_tiff_as_it_reads_an_array(finder: Detector, tmp_path: Path) -> None:
    pixels = draw_discs(place_discs(500, 400, count=20, seed=5, inside=True), (500, 400))
    path = tmp_path / "field.ome.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(128, 128), compression="zlib")
    assert finder.detect(path) == finder.detect(pixels)


def test_files_that_are_no_fields_are_refused_with_a_sentence(tmp_path: Path) -> None:
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, np.zeros((20, 20), np.uint16))
    with pytest.raises(ValueError, match="save it as 8-bit RGB"):
        open_source(deep)
    inverted = tmp_path / "inverted.tif"
    tifffile.imwrite(inverted, np.zeros((20, 20), np.uint8), photometric="miniswhite")
    with pytest.raises(ValueError, match="neither grey nor RGB"):
        open_source(inverted)
    text = tmp_path / "text.tif"
    text.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="cannot be opened as TIFF"):
        open_source(text)
    with pytest.raises(ValueError, match="array"):
        ArraySource(np.zeros((5, 5), np.uint8))
    grey = tmp_path / "grey.tif"
    tifffile.imwrite(grey, np.full((20, 30), 7, np.uint8))
    with TiffSource(grey) as source:
        assert source.read(0, 0, 30, 20).shape == (20, 30, 3)


class Drawn:
    """A field of 100 megapixels that exists only where it is read."""

    width = height = 10_000

    def __init__(self) -> None:
        generator = np.random.default_rng(6)
        grid = np.stack(np.meshgrid(*[np.arange(100, 9_950, 150)] * 2), -1).reshape(-1, 2)
        self.discs = [
            ("rbc", float(x), float(y)) for x, y in grid + generator.uniform(-40, 40, grid.shape)
        ]
        self._places = np.array([disc[1:] for disc in self.discs])

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Draw a window."""
        middle = np.array([left + width / 2, top + height / 2])
        near = (abs(self._places - middle) < np.array([width, height]) / 2 + 50).all(axis=1)
        discs = [self.discs[place] for place in np.flatnonzero(near)]
        return draw_discs(discs, (width, height), (left, top))


def test_memory_is_bounded_on_100_megapixels(discs_bundle: Path) -> None:
    field = Drawn()
    finder = Detector(discs_bundle, network=disc_network)
    tracemalloc.start()
    try:
        found = finder.detect(field)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == len(field.discs)
    # The image itself would be 300 MB; a window of 1,472 x 1,472 pixels is 6.5 MB.
    assert peak < 90e6


def test_the_shipped_detector_counts_a_mosaic_of_fields_as_it_counts_the_fields(
    shared_data: Path,
) -> None:
    if not (DEFAULT_DETECTOR / "model.json").exists():
        missing(f"The shipped detector is not whole: {DEFAULT_DETECTOR}")
    detector = Detector(DEFAULT_DETECTOR)
    names = read_fields(shared_data / "bccd", part="val")[:6]
    fields = [field_pixels(field.path) for field in names]
    # Fields of 640 x 480, each with a margin in the colour of nothing all around, alone and then in
    # three columns and two rows: the seams of the mosaic's windows cut through them.
    thresholds = detector.manifest.thresholds
    weaker = {code: value - 0.1 for code, value in thresholds.items()}
    mosaic = np.full((2 * 640, 3 * 768, 3), 200, np.uint8)
    known: list[Detection] = []
    places: list[tuple[int, int]] = []
    for number, pixels in enumerate(fields):
        row, column = divmod(number, 3)
        canvas = mosaic[row * 640 :, column * 768 :][:640, :768]
        canvas[64 : 64 + 480, 64 : 64 + 640] = pixels
        alone = detector.detect(canvas, thresholds=weaker)
        known += alone
        places += [(column * 768, row * 640)] * len(alone)
    found = detector.detect(mosaic)
    expected = np.array(
        [
            [cell.left + x, cell.top + y, cell.left + x + cell.width, cell.top + y + cell.height]
            for cell, (x, y) in zip(known, places, strict=True)
        ]
    )
    seen = np.array([[c.left, c.top, c.left + c.width, c.top + c.height] for c in found])
    table = overlaps(seen.astype(np.float32), expected.astype(np.float32))
    same = np.array([c.cell_class for c in found])[:, None] == np.array(
        [c.cell_class for c in known]
    )
    pairs = (table > 0.8) & same
    # Nothing twice, nothing new, nothing lost; scores move a little with the wider surroundings.
    assert (pairs.sum(axis=1) == 1).all()
    assert pairs.sum(axis=0).max() == 1
    sure = np.array([cell.score >= thresholds[cell.cell_class] + 0.05 for cell in known])
    assert sure.sum() > 40
    assert pairs.any(axis=0)[sure].all()
