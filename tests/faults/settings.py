"""The product's settings as in production, but for static files, which need no collecting."""

from __future__ import annotations

from pbcsite.settings import *  # noqa: F403
from pbcsite.settings import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
