"""The project as an application of its own: it brings the start-up checks."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "pbcsite"

    def ready(self) -> None:
        from pbcsite import checks  # noqa: F401 - registers them
