"""Which model bundles the site knows and which of them names new cells."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import CellClass
from cases.services.errors import Conflict, ServiceError
from classifier.inference import Manifest, verify
from classifier.models import ClassificationJob, ModelVersion

logger = logging.getLogger(__name__)

DEFAULT_BUNDLE = "vgg19-pbc"
# What a prediction depends on. A bundle may change its card, never one of these.
SERVING_FIELDS = (
    "architecture",
    "head",
    "classes",
    "input_size",
    "crop",
    "preprocessing_version",
    "temperature",
)


def register_model(*, folder: Path, activate: bool = False) -> ModelVersion:
    """Register a bundle where it stands; registering the same weights again changes nothing.

    Args:
        folder: the bundle's folder.
        activate: let it name new cells from now on.

    Returns:
        The model version, new or known by the SHA-256 of its weights.

    Raises:
        BundleError: when the bundle is missing or broken.
        ServiceError: ``unknown_classes`` when it predicts classes the site does not know as
            predicted.
        Conflict: ``model_differs`` when its weights are registered with another preparation of
            images or another temperature; ``name_taken``.
    """
    folder = Path(folder).resolve()
    manifest = verify(folder)
    known = set(CellClass.objects.filter(predicted=True).values_list("code", flat=True))
    if unknown := [code for code in manifest.classes if code not in known]:
        raise ServiceError(
            "unknown_classes",
            _("The model predicts classes this site does not have: %(codes)s. Add them first.")
            % {"codes": ", ".join(unknown)},
        )
    with transaction.atomic():
        version = _find_or_create(folder, manifest)
        if activate:
            activate_model(version=version)
    return version


def activate_model(*, version: ModelVersion) -> None:
    """Make one version the active one. Labelled cells are left alone, waiting ones go to it."""
    now = timezone.now()
    with transaction.atomic():
        others = ModelVersion.objects.select_for_update().active().exclude(pk=version.pk)
        others.update(active=False)
        ModelVersion.objects.filter(pk=version.pk).update(active=True)
        version.active = True
        ClassificationJob.objects.superseded(now).delete()
    logger.info("Model %s is active.", version.name)


def ensure_model() -> None:
    """Register and activate the default bundle when no model was ever registered.

    Raises:
        BundleError, ServiceError: as :func:`register_model`.
    """
    if ModelVersion.objects.exists():
        return
    try:
        register_model(folder=settings.MODEL_BUNDLES_DIR / DEFAULT_BUNDLE, activate=True)
    except (Conflict, IntegrityError):
        # Another worker that started at the same moment may have been first.
        if not ModelVersion.objects.exists():
            raise


def follow_shipped_model() -> None:
    """After an update of the site: let the shipped bundle of today name cells, if yesterday's did.

    An update replaces the shipped bundle in its folder, so the version registered from there has
    lost its weights. Versions from other folders, and having none active, are left as they are.

    Raises:
        BundleError, ServiceError: as :func:`register_model`.
    """
    ensure_model()
    folder = settings.MODEL_BUNDLES_DIR / DEFAULT_BUNDLE
    active = ModelVersion.objects.active().filter(bundle=_stored_name(folder.resolve())).first()
    if active is not None and verify(folder).weights_sha256 != active.weights_sha256:
        register_model(folder=folder, activate=True)


def _find_or_create(folder: Path, manifest: Manifest) -> ModelVersion:
    content = manifest.to_json()
    stored = _stored_name(folder)
    version = ModelVersion.objects.filter(weights_sha256=manifest.weights_sha256).first()
    if version is None:
        if ModelVersion.objects.filter(name=manifest.name).exists():
            raise Conflict(
                "name_taken",
                _("Another model is registered as %(name)s. Give the bundle another name.")
                % {"name": manifest.name},
            )
        return ModelVersion.objects.create(
            name=manifest.name,
            bundle=stored,
            weights_sha256=manifest.weights_sha256,
            manifest=content,
            review_threshold=manifest.review_threshold,
            **{name: content[name] for name in SERVING_FIELDS if name != "crop"},
        )
    if differing := _differing(version, content):
        raise Conflict(
            "model_differs",
            _(
                "These weights are registered as %(name)s with another value of %(fields)s. "
                "Predictions must stay comparable: train or export a new model instead."
            )
            % {"name": version.name, "fields": ", ".join(differing)},
        )
    if (version.bundle, version.manifest) != (stored, content):
        version.bundle, version.manifest = stored, content
        version.review_threshold = manifest.review_threshold
        version.save(update_fields=["bundle", "manifest", "review_threshold"])
    return version


def _differing(version: ModelVersion, content: dict[str, Any]) -> list[str]:
    return [name for name in SERVING_FIELDS if version.manifest.get(name) != content[name]]


def _stored_name(folder: Path) -> str:
    """The name below MODEL_BUNDLES_DIR, so that the directory may move; else the whole path."""
    directory = Path(settings.MODEL_BUNDLES_DIR).resolve()
    return str(folder.relative_to(directory)) if folder.is_relative_to(directory) else str(folder)
