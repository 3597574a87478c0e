"""Settings as processes of their own read them: production rules, databases, what is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT

PRODUCTION = {
    "SECRET_KEY": "k3Jp0-not-used-anywhere-Yw8uQz5RtN1vB7cXmS4dF6gHj9LaEo",
    "ALLOWED_HOSTS": "smears.example.org",
}


def python(*arguments: str, data_dir: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing in its environment but what is given."""
    surroundings = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "pbcsite.settings",
        **given,
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settings_of(*names: str, data_dir: Path, **given: str) -> list[Any]:
    code = (
        "import json; from django.conf import settings; "
        f"print(json.dumps([getattr(settings, name) for name in {names!r}], default=str))"
    )
    answer = python("-c", code, data_dir=data_dir, **given)
    assert answer.returncode == 0, answer.stderr
    result: list[Any] = json.loads(answer.stdout)
    return result


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_does_not_start_without(name: str, tmp_path: Path) -> None:
    given = {key: value for key, value in PRODUCTION.items() if key != name}
    for command in (["manage.py", "check"], ["-c", "import pbcsite.wsgi"]):
        answer = python(*command, data_dir=tmp_path, **given)
        assert answer.returncode != 0
        assert f"Set the environment variable {name}." in answer.stderr


def test_the_deployment_check_is_clean(tmp_path: Path) -> None:
    answer = python(
        "manage.py", "check", "--deploy", "--fail-level", "INFO", data_dir=tmp_path, **PRODUCTION
    )
    assert answer.returncode == 0, answer.stderr
    assert "no issues" in answer.stdout


def test_production_is_safe_by_default(tmp_path: Path) -> None:
    names = ("DEBUG", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT")
    assert settings_of(*names, data_dir=tmp_path, **PRODUCTION) == [False, True, True, True]


def test_addresses_select_postgresql_and_redis(tmp_path: Path) -> None:
    databases, broker = settings_of(
        "DATABASES",
        "CELERY_BROKER_URL",
        data_dir=tmp_path,
        DATABASE_URL="postgres://reader:secret@db.internal:5433/smears",
        REDIS_URL="redis://broker.internal/1",
        **PRODUCTION,
    )
    chosen = databases["default"]
    assert chosen["ENGINE"] == "django.db.backends.postgresql"
    assert (chosen["HOST"], chosen["PORT"], chosen["NAME"]) == ("db.internal", 5433, "smears")
    assert broker == "redis://broker.internal/1"


def test_the_embedded_defaults_live_in_the_data_folder(tmp_path: Path) -> None:
    databases, broker, storages = settings_of(
        "DATABASES", "CELERY_BROKER_URL", "STORAGES", data_dir=tmp_path, **PRODUCTION
    )
    assert databases["default"]["NAME"] == str(tmp_path / "pbcsite.sqlite3")
    assert broker == f"redis+socket://{tmp_path}/broker/broker.sock"
    assert storages["default"]["OPTIONS"]["location"] == str(tmp_path / "media")


def test_tensorflow_stays_out_of_the_web_process(tmp_path: Path) -> None:
    code = (
        "import sys, django.urls; from pbcsite.wsgi import application; "
        "django.urls.get_resolver().url_patterns; from django.contrib import admin; "
        "admin.autodiscover(); "
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    answer = python("-c", code, data_dir=tmp_path, **PRODUCTION)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"


def test_the_lock_for_running_has_no_test_tools() -> None:
    running = PROJECT.joinpath("requirements.lock").read_text()
    testing = PROJECT.joinpath("requirements-dev.lock").read_text()
    assert "\npytest==" not in running
    assert "\npytest==" in testing

    def pins(text: str) -> set[str]:
        # Both may word the conditions of a pin differently.
        lines = (line.split(" ;")[0].rstrip(" \\") for line in text.splitlines())
        return {line for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert pins(running) <= pins(testing)
