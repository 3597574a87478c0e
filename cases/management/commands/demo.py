"""``manage.py demo``: a laboratory to try the site with, its users and a case of 40 real cells."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

import cases
from cases.models import Laboratory, Membership, Patient, Role, SmearCase, User
from cases.services.cases import create_case, create_patient
from cases.services.uploads import REJECTED, store_images

if TYPE_CHECKING:
    from argparse import ArgumentParser

SLUG = "demo"
# What a laboratory writes stands as written in every language: these are read in both.
NAME = "Demo Lab"
NOTE = (
    "40 cells of many people from the PBC dataset (Acevedo et al., 2020, CC BY 4.0). No patient's "
    "smear: its differential means nothing.\n"
    "40 células de muchas personas, del conjunto de datos PBC (Acevedo et al., 2020, CC BY 4.0). "
    "No es el frotis de ningún paciente: su recuento no significa nada."
)
ACCESSION_NUMBER = "DEMO-0001"
IMAGES = Path(cases.__file__).parent / "demo" / "images"


class Command(BaseCommand):
    """Create what is missing of the demonstration; what is there stays as it is."""

    help = (
        "Create a demonstration laboratory with the users technician, reviewer and administrator "
        "and one case of 40 cells (PBC dataset, CC BY 4.0). For trying out, never for real data."
    )
    # Only for callers in the same process: on a command line others could read it.
    stealth_options = ("password",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--password-file", type=Path, help="read the users' password there, do not ask for it"
        )
        parser.add_argument(
            "--reset-password", action="store_true", help="also change that of existing users"
        )

    def handle(self, *args: Any, password: str | None = None, **options: Any) -> None:
        if not password:
            file = options["password_file"]
            password = file.read_text().strip() if file else getpass.getpass("Password: ")
        if not password:
            raise CommandError("The password is empty.")
        with transaction.atomic():
            laboratory, _ = Laboratory.objects.get_or_create(slug=SLUG, defaults={"name": NAME})
            users = {
                role: self._user(laboratory, role, password, reset=options["reset_password"])
                for role in Role.values
            }
        self._case(laboratory, users[Role.TECHNICIAN])

    def _user(self, laboratory: Laboratory, role: str, password: str, *, reset: bool) -> User:
        user, created = User.objects.get_or_create(username=role)
        if created:
            # The only one who looks after this installation: Django's admin is open to them.
            user.is_staff = user.is_superuser = role == Role.ADMINISTRATOR
            Membership.objects.create(user=user, laboratory=laboratory, role=role)
        elif not Membership.objects.filter(user=user, laboratory=laboratory).exists():
            raise CommandError(
                f"A user named {role} exists and does not belong to the demonstration. "
                "Create the demonstration in a database of its own (DATA_DIR or DATABASE_URL)."
            )
        if created or (reset and not user.check_password(password)):
            user.set_password(password)
            user.save()
        return user

    def _case(self, laboratory: Laboratory, technician: User) -> None:
        case = SmearCase.objects.filter(
            laboratory=laboratory, accession_number=ACCESSION_NUMBER
        ).first()
        if case is None:
            patient = Patient.objects.filter(laboratory=laboratory, identifier="DEMO").first()
            case = create_case(
                user=technician,
                laboratory=laboratory,
                patient=patient
                or create_patient(
                    user=technician, laboratory=laboratory, identifier="DEMO", name="Demo"
                ),
                accession_number=ACCESSION_NUMBER,
                stain="May Grünwald-Giemsa",
                clinical_note=NOTE,
            )
        elif case.is_frozen or case.images.exists():
            return
        files = [
            ContentFile(path.read_bytes(), name=path.name)
            for path in sorted(IMAGES.glob("*/*.jpg"))
        ]
        answers = list(store_images(case=case, user=technician, files=files))
        if rejected := [each for each in answers if each.outcome == REJECTED]:
            raise CommandError(f"{rejected[0].name}: {rejected[0].message}")
        self.stdout.write(f"{case}: {len(answers)} images.")
