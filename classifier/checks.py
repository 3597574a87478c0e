"""System checks of the model's side. They need no database, so they also run before migrating."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from classifier.inference import BundleError, read_manifest, verify
from classifier.services.registry import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from collections.abc import Callable

HINT = (
    "Until a model can be used, cells stay queued. Put the bundle into MODEL_BUNDLES_DIR, or "
    "register another with `manage.py register_model FOLDER --activate`."
)


@register(Tags.files)
def default_bundle_in_place(**kwargs: Any) -> list[CheckMessage]:
    """Whether the shipped bundle can be described; its weights are only looked for."""
    return _messages(_described, "classifier.W001")


@register(Tags.files, deploy=True)
def default_bundle_whole(**kwargs: Any) -> list[CheckMessage]:
    """Whether the shipped bundle's weights are the ones its manifest names (reads 40 MB)."""
    return _messages(verify, "classifier.W002")


def _messages(check: Callable[[Path], object], identifier: str) -> list[CheckMessage]:
    try:
        check(Path(settings.MODEL_BUNDLES_DIR) / DEFAULT_BUNDLE)
    except BundleError as error:
        return [Warning(f"The default model cannot be used. {error}", hint=HINT, id=identifier)]
    return []


def _described(folder: Path) -> None:
    read_manifest(folder)
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        raise BundleError("missing", weights, "There is no such file.", "Copy it there.")
