"""The web process never loads TensorFlow: neither by its pages, nor its API, nor its checks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

WEB_PROCESS = """
import pbcsite.wsgi
from django.core.management import call_command
from django.urls import get_resolver

def walk(patterns):
    for each in patterns:
        if hasattr(each, "url_patterns"):
            yield from walk(each.url_patterns)
        else:
            yield each.callback

assert len(list(walk(get_resolver().url_patterns))) > 10
import classifier.admin, classifier.services.status, classifier.services.registry
call_command("check")
"""
WORKER_BEFORE_ITS_FIRST_CELL = (
    "import pbcsite.celery, django; django.setup()\nimport classifier.tasks"
)


@pytest.mark.parametrize("program", [WEB_PROCESS, WORKER_BEFORE_ITS_FIRST_CELL])
def test_tensorflow_is_not_loaded(program: str) -> None:
    heavy = (
        "import sys\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy.optimize'}\n"
        "heavy |= {'reportlab', 'fhir', 'tifffile', 'imagecodecs'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "pbcsite.settings"}
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{heavy}"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout
