"""Start-up checks, each with a hint at what to do.

The folder for files is checked with every command. What needs the database or the broker is checked
only by ``manage.py check --database default`` and ``migrate``, which wait for a broker that is away
no longer than :data:`SECONDS_TO_WAIT`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS_TO_WAIT = 2


@checks.register("files")
def files_are_writable(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """``pbcsite.E001``: uploads could not be stored. Object storage is not asked."""
    storage: Any = default_storage
    if not isinstance(default_storage, FileSystemStorage):
        return []
    folder = Path(storage.location)
    # It is made with the first upload, so what counts is the nearest folder that is there.
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [
        checks.Error(
            f"Uploaded files cannot be stored in {folder}.",
            hint=f"Let the user who runs the site write to {existing}, or set MEDIA_ROOT.",
            id="pbcsite.E001",
        )
    ]


@checks.register(checks.Tags.security)
def uploads_are_apart(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """``pbcsite.E002``: what is uploaded would be served without asking who may see it."""
    storage: Any = default_storage
    if not isinstance(default_storage, FileSystemStorage):
        return []
    uploads = Path(storage.location).resolve()
    served = [Path(each) for each in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS) if each]
    for folder in (each.resolve() for each in served):
        if uploads == folder or folder in uploads.parents or uploads in folder.parents:
            return [
                checks.Error(
                    f"Uploaded files lie in {uploads}, which is not apart from the static files "
                    f"in {folder}.",
                    hint="Set MEDIA_ROOT and STATIC_ROOT to folders outside each other.",
                    id="pbcsite.E002",
                )
            ]
    return []


@checks.register(checks.Tags.database)
def active_model_is_whole(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """``pbcsite.W002`` without tables, ``W003`` without a model, ``W004`` with a broken one.

    Warnings, since ``migrate`` asks as well, and an error would keep it from making the tables.
    """
    if not databases:
        return []
    from classifier.inference import BundleError, bundle_folder, verify
    from classifier.models import ModelVersion

    try:
        version = ModelVersion.objects.active().first()
    except DatabaseError as error:
        return [
            checks.Warning(
                f"The model versions cannot be read: {error}",
                hint="Run `python manage.py migrate`; check DATABASE_URL if that fails.",
                id="pbcsite.W002",
            )
        ]
    if version is None:
        return [
            checks.Warning(
                "No model is active, so no cell is classified.",
                hint="Run `python manage.py register_model ml/bundles/vgg19-pbc --activate`.",
                id="pbcsite.W003",
            )
        ]
    try:
        manifest = verify(bundle_folder(version))
    except BundleError as error:
        return [checks.Warning(f"{version}: {error}", hint=_PUT_BACK, id="pbcsite.W004")]
    if manifest.weights_sha256 != version.weights_sha256:
        return [
            checks.Warning(
                f"{version}: the weights in {bundle_folder(version)} are not those registered.",
                hint=_PUT_BACK,
                id="pbcsite.W004",
            )
        ]
    return []


_PUT_BACK = (
    "Put the bundle's folder back as it was registered, or register and activate another with "
    "`python manage.py register_model`."
)


@checks.register(checks.Tags.database)
def broker_answers(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """``pbcsite.W005``: rings are lost, and new cells wait for a sweep that is not heard either."""
    if not databases:
        return []
    from celery import current_app
    from kombu.exceptions import OperationalError

    with current_app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=SECONDS_TO_WAIT)
        except (OperationalError, OSError) as error:
            return [
                checks.Warning(
                    f"The broker does not answer at {connection.as_uri()} ({error}).",
                    hint=(
                        "Start it, or set REDIS_URL. Nothing is lost meanwhile: uploads are kept "
                        "and classified once it is back."
                    ),
                    id="pbcsite.W005",
                )
            ]
    return []


@checks.register(checks.Tags.database)
def limits_are_shared(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """``pbcsite.W006``: several web processes let through several times what a limit says."""
    own = settings.CACHES["default"]["BACKEND"].endswith("LocMemCache")
    # Without TLS it is the site on one machine, which has one web process.
    if not databases or not own or not settings.TLS_ONLY:
        return []
    return [
        checks.Warning(
            "Every web process counts log-ins and requests for itself.",
            hint="Set REDIS_URL, or run one web process (WEB_PROCESSES=1).",
            id="pbcsite.W006",
        )
    ]
