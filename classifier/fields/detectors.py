"""The detectors the site knows, and the one that is loaded."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.db import transaction

from classifier.fields.models import DetectorVersion
from ml.manifest import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.detection.detector import Detection
    from ml.detection.sources import PixelSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """What a detector made of a field.

    Attributes:
        cells: found, in reading order.
        zoom: by how much the detector saw the field enlarged.
        zoom_measured: whether that was measured on the field.
    """

    cells: list[Detection]
    zoom: float
    zoom_measured: bool


class FieldReader(Protocol):
    """What a search needs of a loaded detector."""

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    def search(
        self,
        source: PixelSource,
        *,
        micrometres_per_pixel: float | None,
        progress: Callable[[float], None],
    ) -> Search:
        """Find the cells of a field; ``progress`` is told the share done."""
        ...


class LoadedDetector:
    """A bundle's detector, seeing every field at the scale of its training fields."""

    def __init__(self, folder: Path) -> None:
        from ml.detection.detector import Detector

        self._detector = Detector(folder)
        self.device = self._detector.device

    def search(
        self,
        source: PixelSource,
        *,
        micrometres_per_pixel: float | None,
        progress: Callable[[float], None],
    ) -> Search:
        """Find the cells of a field.

        Args:
            source: the field.
            micrometres_per_pixel: of it, where the case says so; else the scale is measured.
            progress: told the share done.

        Raises:
            ValueError: when the field cannot be read.
        """
        zoom, measured = 1.0, micrometres_per_pixel is None
        if micrometres_per_pixel is not None:
            zoom = self._detector.zoom_for(micrometres_per_pixel)
        else:
            zoom = self._measured(source)
        cells = self._detector.detect(source, zoom=zoom, progress=progress)
        return Search(cells, zoom, measured)

    def _measured(self, source: PixelSource) -> float:
        """1 where the middle of the field shows red cells of the usual size, else measured.

        Trying all zooms costs many times a search; most fields are at the usual scale.
        """
        from ml.detection.scale import BELIEVED, PART, measure_zoom, red_cell_diameter
        from ml.detection.sources import ArraySource

        width, height = min(PART, source.width), min(PART, source.height)
        left, top = (source.width - width) // 2, (source.height - height) // 2
        middle = ArraySource(source.read(left, top, width, height))
        seen = red_cell_diameter(self._detector.detect(middle))
        usual = self._detector.manifest.typical_diameters["rbc"]
        if seen is not None and BELIEVED[0] <= seen / usual <= BELIEVED[1]:
            return 1.0
        return measure_zoom(self._detector, source)


def ensure_detector() -> DetectorVersion | None:
    """The active detector; the shipped one is registered and activated when there is none.

    Raises:
        BundleError: when the shipped bundle is missing or broken.
    """
    version: DetectorVersion | None = DetectorVersion.objects.active().first()
    return version or register_detector(folder=Path(settings.MODEL_BUNDLES_DIR) / settings.DETECTOR)


def register_detector(*, folder: Path, activate: bool = True) -> DetectorVersion:
    """Register a detector's bundle where it stands; the same weights twice change nothing.

    Raises:
        BundleError: when the bundle is missing or broken.
    """
    from ml.detection.manifest import verify_detector

    manifest: Any = verify_detector(folder)
    bundles = Path(settings.MODEL_BUNDLES_DIR).resolve()
    folder = folder.resolve()
    inside = folder.is_relative_to(bundles)
    with transaction.atomic():
        version, _made = DetectorVersion.objects.get_or_create(
            weights_sha256=manifest.weights_sha256,
            defaults={
                "name": manifest.name,
                "bundle": str(folder.relative_to(bundles) if inside else folder),
                "manifest": manifest.to_json(),
            },
        )
        if activate and not version.active:
            DetectorVersion.objects.active().update(active=False)
            version.active = True
            version.save(update_fields=["active"])
    return version


_loaded: dict[tuple[Path, str], FieldReader] = {}
_loading = threading.Lock()


def reader_for(version: DetectorVersion) -> FieldReader:
    """The process's one loaded detector, loaded at first use.

    Raises:
        BundleError: when the bundle is missing, broken, or no longer the registered one.
    """
    from ml.detection.manifest import read_detector_manifest

    folder = Path(settings.MODEL_BUNDLES_DIR) / version.bundle
    key = (folder, version.weights_sha256)
    with _loading:
        if key not in _loaded:
            started = time.monotonic()
            if read_detector_manifest(folder).weights_sha256 != version.weights_sha256:
                raise BundleError(
                    "wrong_hash",
                    folder,
                    f"This is no longer the bundle that was registered as {version.name}.",
                    "Restore it.",
                )
            _loaded.clear()  # one detector in memory at a time
            _loaded[key] = LoadedDetector(folder)
            seconds = time.monotonic() - started
            logger.info("Detector %s is loaded after %.1f s.", version.name, seconds)
        return _loaded[key]
