"""The settings of the test suite: the project's own, on a scratch folder of this run.

``DATABASE_URL`` and ``REDIS_URL`` are taken over from the environment, so the same suite runs on
PostgreSQL and Redis. Everything else is fixed here, also for the processes that tests start, which
inherit the environment. Without ``REDIS_URL`` rings go to a broker in memory, which nobody hears.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "PBCSITE_TEST_DIR" not in os.environ:
    os.environ["PBCSITE_TEST_DIR"] = tempfile.mkdtemp(prefix="pbcsite-tests-")
    atexit.register(shutil.rmtree, os.environ["PBCSITE_TEST_DIR"], ignore_errors=True)
# Processes that share the tests of one run (pytest-xdist) share neither files nor broker.
PART = os.environ.get("PYTEST_XDIST_WORKER", "")
SCRATCH = Path(os.environ["PBCSITE_TEST_DIR"]) / PART
SCRATCH.mkdir(exist_ok=True)

os.environ.update(
    DATA_DIR=str(SCRATCH),
    DEBUG="0",
    TLS_ONLY="0",
    SECRET_KEY="of-the-test-suite-only-" + "x" * 40,
    ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
    STATIC_ROOT=str(SCRATCH / "static"),
    METRICS_TOKEN="of-the-test-suite-only",
    THROTTLE_ANON="100000/min",
    THROTTLE_USER="100000/min",
    THROTTLE_TOKEN="100000/min",
)
os.environ.setdefault("MEDIA_ROOT", str(SCRATCH / "media"))
os.environ.setdefault("REDIS_URL", "memory://localhost/")
if PART and os.environ["REDIS_URL"].endswith("/0"):
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"][:-1] + str(int(PART.removeprefix("gw")) % 16)
# The inherited environment may name other places; the suite must not touch them.
for name in ("BEHIND_PROXY", "CSRF_TRUSTED_ORIGINS", "TIME_ZONE"):
    os.environ.pop(name, None)
SCRATCH.joinpath("static").mkdir(exist_ok=True)

from pbcsite.settings import *  # noqa: E402, F403
from pbcsite.settings import DATABASES, STORAGES  # noqa: E402

# A file, not memory: threads of the live server and other processes share it.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
# Fast on purpose: the suite logs in often and guards nothing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests count queries; those of the audit trail switch it on.
AUDIT = False
