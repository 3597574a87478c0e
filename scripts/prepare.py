"""Bring database, static files, model and demonstration up to date; part of ``make run``."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from pathlib import Path

# Nobody listens yet. The worker looks for waiting cells as soon as it has started.
os.environ.setdefault("REDIS_URL", "memory://localhost/")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbcsite.settings")


def main() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    collect_static_files(Path(settings.STATIC_ROOT))
    register_shipped_model()
    create_demonstration(Path(settings.DATA_DIR))


def collect_static_files(root: Path) -> None:
    """Collect static files when one of them changed since the last time."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    state = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            state.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    stamp = root / ".collected"
    if stamp.is_file() and stamp.read_text() == state.hexdigest():
        return
    print("Collecting static files.", flush=True)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(state.hexdigest())


def register_shipped_model() -> None:
    """Register the shipped model at first and when an update brought another one.

    Without a model the site runs, and cells wait.
    """
    from cases.services.errors import ServiceError
    from classifier.inference import BundleError
    from classifier.services.registry import follow_shipped_model

    try:
        follow_shipped_model()
    except (BundleError, ServiceError) as error:
        print(f"No model could be registered, so cells will wait. {error}", file=sys.stderr)


def create_demonstration(data_dir: Path) -> None:
    """Create the demonstration once; set its password anew only when DEMO_PASSWORD says so."""
    from django.core.management import call_command

    from scripts.run import kept_secret

    file = data_dir / "demo-password"
    given = os.environ.get("DEMO_PASSWORD", "")
    if given:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write(given)
    password = given or kept_secret(file, 12)
    call_command("demo", password=password, reset_password=bool(given), verbosity=0)


if __name__ == "__main__":
    logging.getLogger("django").setLevel(logging.WARNING)
    main()
