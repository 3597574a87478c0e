"""The pictures of a bundle's card: which there are, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from classifier.inference import BundleError, bundle_folder, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from django.utils.functional import _StrPromise

    from classifier.models import ModelVersion

# By file name without language and ending; what they show. Nothing else in a bundle is served.
PICTURES = {
    "confusion": _("Confusion matrix: rows are the labels, columns what the model said."),
    "reliability": _("Calibration: the share of right answers against the stated confidence."),
    "risk-coverage": _("Error among the cells kept, against the share of cells kept."),
    "curves": _("Training: accuracy and loss on validation images."),
    "misclassified": _("The test images the model took for another class."),
}
LANGUAGES = ("en", "es")


def pictures_of(version: ModelVersion, language: str) -> list[tuple[str, _StrPromise]]:
    """File names and descriptions of the pictures there are, in the language if drawn in it."""
    folder = bundle_folder(version)
    found = []
    for name, text in PICTURES.items():
        for candidate in (f"{name}.{language}.png", f"{name}.png"):
            if (folder / candidate).is_file():
                found.append((candidate, text))
                break
    return found


def picture_file(version: ModelVersion, name: str) -> Path | None:
    """A picture's file; None for anything but a picture of the very bundle that was registered."""
    known = {f"{each}.png" for each in PICTURES}
    known |= {f"{each}.{language}.png" for each in PICTURES for language in LANGUAGES}
    folder = bundle_folder(version)
    path = folder / name
    if name not in known or not path.is_file() or path.is_symlink():
        return None
    try:
        same = read_manifest(folder).weights_sha256 == version.weights_sha256
    except BundleError:
        return None
    return path if same else None
