"""The Celery application. The broker is only a doorbell: the work stands in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbcsite.settings")

app = Celery("pbcsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
