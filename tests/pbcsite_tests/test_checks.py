"""Start-up checks say what is wrong and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.checks import run_checks

from classifier.models import ModelVersion
from classifier.services.registry import register_model
from pbcsite import checks


def of_running() -> list[Any]:
    """What ``check --database default`` finds beyond Django's own."""
    found = run_checks(databases=["default"])
    return [each for each in found if (each.id or "").startswith("pbcsite.")]


def test_no_command_waits_for_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    assert [each for each in run_checks() if (each.id or "").startswith("pbcsite.")] == []


def test_a_folder_without_write_permission(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    use_media(settings, closed / "media")
    # Not by chmod: to root every folder is writable.
    monkeypatch.setattr("pbcsite.checks.os.access", lambda path, mode: path != closed)
    (problem,) = checks.files_are_writable(None)
    assert problem.id == "pbcsite.E001"
    assert str(closed) in problem.hint


def test_a_file_where_the_folder_should_be(settings: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    use_media(settings, tmp_path / "file")
    (problem,) = checks.files_are_writable(None)
    assert problem.id == "pbcsite.E001"
    assert "MEDIA_ROOT" in problem.hint


def test_object_storage_is_not_asked(settings: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    assert checks.files_are_writable(None) == []


def use_media(settings: Any, folder: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder)},
        },
    }


@pytest.mark.django_db
def test_a_site_without_a_model_is_told_how_to_get_one() -> None:
    (problem,) = of_running()
    assert problem.id == "pbcsite.W003"
    assert "register_model" in problem.hint


@pytest.mark.django_db
def test_a_whole_model_passes_and_a_cut_one_is_named(
    bundle_path: Path, settings: Any, tmp_path: Path
) -> None:
    settings.MODEL_BUNDLES_DIR = tmp_path
    copy = Path(shutil.copytree(bundle_path, tmp_path / "copy"))
    register_model(folder=copy, activate=True)
    assert of_running() == []
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    (problem,) = of_running()
    assert problem.id == "pbcsite.W004"
    assert str(weights) in problem.msg


@pytest.mark.django_db
def test_swapped_weights_are_noticed(bundle_path: Path, settings: Any, tmp_path: Path) -> None:
    settings.MODEL_BUNDLES_DIR = tmp_path
    copy = Path(shutil.copytree(bundle_path, tmp_path / "copy"))
    version = register_model(folder=copy, activate=True)
    ModelVersion.objects.filter(pk=version.pk).update(weights_sha256="0" * 64)
    (problem,) = of_running()
    assert problem.id == "pbcsite.W004"
    assert "not those registered" in problem.msg


@pytest.mark.django_db
def test_a_broker_that_is_away_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://:secret@127.0.0.1:1/0")
    monkeypatch.setattr(current_app.conf, "broker_write_url", None)
    (problem,) = checks.broker_answers(None, databases=["default"])
    assert problem.id == "pbcsite.W005"
    assert "127.0.0.1:1" in problem.msg
    assert "secret" not in problem.msg


def test_a_new_database_can_be_migrated(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "pbcsite.settings",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pbcsite.sqlite3").stat().st_size > 100_000


def test_limits_that_every_process_counts_for_itself(settings: Any) -> None:
    own = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    shared = {"default": {"BACKEND": "pbcsite.cache.SharedCache", "LOCATION": "redis://nowhere"}}
    settings.CACHES, settings.TLS_ONLY = own, True
    (problem,) = checks.limits_are_shared(None, ["default"])
    assert (problem.id, "REDIS_URL" in problem.hint) == ("pbcsite.W006", True)
    assert checks.limits_are_shared(None) == []
    settings.CACHES = shared
    assert checks.limits_are_shared(None, ["default"]) == []
    settings.CACHES, settings.TLS_ONLY = own, False  # one machine, one web process
    assert checks.limits_are_shared(None, ["default"]) == []
