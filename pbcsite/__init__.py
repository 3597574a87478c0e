"""The Django project: settings, addresses, the Celery application and start-up checks."""

from pbcsite.celery import app as celery_app

__all__ = ["celery_app"]
