"""Which model bundles the site knows and which of them names new cells."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import CellClass
from cases.policies import AccessPolicy, Action
from cases.services.doorbell import ring_after_commit
from cases.services.errors import Conflict, ServiceError
from classifier.inference import MANIFEST_NAME, BundleError, Manifest, verify
from classifier.models import ClassificationJob, ModelActivation, ModelVersion

if TYPE_CHECKING:
    from cases.models import User

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
    "unfamiliar",
)
# Of these, the ones a version's row does not repeat.
ONLY_IN_MANIFEST = ("crop", "unfamiliar")
BUNDLE_PROBLEMS = {
    "missing": _("A file of the bundle is missing. Copy model.json and weights.safetensors again."),
    "unreadable": _("The bundle cannot be read. Check the permissions of its files."),
    "foreign": _("This folder holds something else than a model bundle."),
    "invalid_manifest": _("The bundle's model.json is damaged. Copy the bundle again."),
    "wrong_hash": _("The bundle's weights are damaged or another bundle's. Copy it again, whole."),
    "wrong_weights": _("The bundle's weights do not fit its description. Export it again."),
}
UNUSABLE_BUNDLE = _("This bundle cannot be used; the server's log says why.")


def bundles_on_offer() -> list[str]:
    """Names of the folders below MODEL_BUNDLES_DIR that hold a manifest, sorted."""
    directory = Path(settings.MODEL_BUNDLES_DIR)
    try:
        found = [each.name for each in directory.iterdir() if (each / MANIFEST_NAME).is_file()]
    except OSError:
        return []
    return sorted(name for name in found if not name.startswith("."))


def register_offered(*, name: str, user: User) -> ModelVersion:
    """Register one of :func:`bundles_on_offer` for an administrator; it is not activated.

    Raises:
        NotAllowed: when the user is no laboratory's administrator.
        ServiceError: ``unknown_bundle``, ``unusable_bundle``, or as :func:`register_model`.
    """
    AccessPolicy(user).require_anywhere(Action.MANAGE)
    if name not in bundles_on_offer():
        message = _("There is no such folder below the bundles' directory.")
        raise ServiceError("unknown_bundle", message, extra={"errors": {"folder": [message]}})
    try:
        return register_model(folder=Path(settings.MODEL_BUNDLES_DIR) / name)
    except BundleError as error:
        logger.warning("The bundle %s cannot be registered. %s", name, error)
        raise ServiceError(
            "unusable_bundle", BUNDLE_PROBLEMS.get(error.code, UNUSABLE_BUNDLE)
        ) from error


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


def activate_model(*, version: ModelVersion, user: User | None = None) -> None:
    """Make one version the active one, from now on.

    No cell changes: labels, confidences, review states and predictions stay as the version before
    left them, in signed cases and in all others. Cells that wait, and those to come, are named by
    the new one.

    Args:
        version: the one to activate; nothing happens when it is active already.
        user: who asks; None for the site itself and for commands.

    Raises:
        NotAllowed: when the user is no laboratory's administrator.
    """
    if user is not None and not user.is_superuser:
        AccessPolicy(user).require_anywhere(Action.MANAGE)
    now = timezone.now()
    with transaction.atomic():
        # The rows are locked in one order, so that of two activations at once the later one wins.
        known = dict(
            ModelVersion.objects.select_for_update().order_by("pk").values_list("pk", "active")
        )
        if known.get(version.pk):
            version.active = True
            return
        ModelVersion.objects.active().update(active=False)
        ModelVersion.objects.filter(pk=version.pk).update(active=True)
        version.active = True
        ModelActivation.objects.create(model_version=version, made_by=user)
        ClassificationJob.objects.superseded(now).delete()
        if user is not None:  # else it is the site itself starting, or a command: the sweep rings
            ring_after_commit()
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
            **{name: content[name] for name in SERVING_FIELDS if name not in ONLY_IN_MANIFEST},
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
