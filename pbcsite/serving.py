"""Gunicorn's settings: ``gunicorn pbcsite.wsgi --config python:pbcsite.serving``."""

from __future__ import annotations

from typing import Any

from pbcsite import env, logs

bind = env.read_text("WEB_BIND", "0.0.0.0:8000")
worker_class = "gthread"
workers = env.read_integer("WEB_PROCESSES", 2, minimum=1, maximum=64)
threads = env.read_integer("WEB_THREADS", 8, minimum=1, maximum=256)
timeout = 120
# A request under way is finished before the process leaves; the proxy has stopped sending others.
graceful_timeout = 60
# Where a worker process says that it lives: the file system may be read-only but for this.
# Gunicorn makes the file itself, for itself.
worker_tmp_dir = "/dev/shm"  # noqa: S108 # nosec B108
control_socket_disable = True
accesslog = None  # the site writes a line of its own for each request
# Gunicorn's own lines go where all others go, in the same form.
logconfig_dict: dict[str, Any] = logs.configuration(
    level=env.read_text("LOG_LEVEL", "INFO"),
    form=env.read_choice("LOG_FORMAT", "line", logs.FORMS),
)
logconfig_dict["loggers"] |= {
    "gunicorn.error": {"handlers": [], "propagate": True, "level": "INFO"},
    "gunicorn.access": {"handlers": [], "propagate": False},
}
