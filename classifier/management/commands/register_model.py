"""``manage.py register_model DIR [--activate]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cases.services.errors import ServiceError
from classifier.inference import BundleError
from classifier.services.registry import register_model

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Register a model bundle."""

    help = "Register a model bundle where it stands; with --activate it names new cells."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="the bundle's folder")
        parser.add_argument("--activate", action="store_true", help="let it name new cells")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            version = register_model(folder=options["folder"], activate=options["activate"])
        except BundleError as error:
            raise CommandError(str(error)) from error
        except ServiceError as error:
            raise CommandError(str(error.message)) from error
        state = "active" if version.active else "not active"
        self.stdout.write(f"{version.name}: registered, {state}.")
