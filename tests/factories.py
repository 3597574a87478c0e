"""Rows for tests: a laboratory with its people, patients, cases, images and cells."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import factory
import numpy
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Value
from django.db.models.functions import Greatest
from django.utils import timezone
from factory.django import DjangoModelFactory
from PIL import Image

from cases.models import (
    Amendment,
    CaseImage,
    Cell,
    CellClass,
    Correction,
    Finding,
    Laboratory,
    LaboratorySettings,
    Membership,
    Patient,
    PatientName,
    ReferenceRange,
    Role,
    SignOff,
    SmearCase,
    User,
)
from cases.services.snapshots import as_stored, case_snapshot, fingerprint

PASSWORD = "a long password for tests"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password(PASSWORD)


class LaboratoryFactory(DjangoModelFactory):
    class Meta:
        model = Laboratory

    name = factory.Sequence(lambda n: f"Laboratory {n}")
    slug = factory.Sequence(lambda n: f"laboratory-{n}")


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    laboratory = factory.SubFactory(LaboratoryFactory)
    role = Role.TECHNICIAN


def member(laboratory: Laboratory, role: str = Role.TECHNICIAN, **attributes: Any) -> User:
    """A new user with this role in the laboratory."""
    return MembershipFactory(laboratory=laboratory, role=role, user=UserFactory(**attributes)).user


class PatientFactory(DjangoModelFactory):
    class Meta:
        model = Patient

    laboratory = factory.SubFactory(LaboratoryFactory)
    identifier = factory.Sequence(lambda n: f"P-{n:05}")

    @factory.post_generation
    def name(self: Any, create: bool, extracted: str | None, **kwargs: Any) -> None:
        if create and extracted:
            PatientName.objects.create(patient=self, name=extracted)


class SmearCaseFactory(DjangoModelFactory):
    class Meta:
        model = SmearCase

    laboratory = factory.SubFactory(LaboratoryFactory)
    patient = factory.SubFactory(PatientFactory, laboratory=factory.SelfAttribute("..laboratory"))
    accession_number = factory.Sequence(lambda n: f"2026-{n:05}")
    created_by = factory.SubFactory(UserFactory)


class CaseImageFactory(DjangoModelFactory):
    """An image with a real, small file behind it."""

    class Meta:
        model = CaseImage

    case = factory.SubFactory(SmearCaseFactory)
    number = factory.Sequence(lambda n: n + 1)
    original_name = factory.LazyAttribute(lambda image: f"cell-{image.number}.png")
    sha256 = factory.LazyAttribute(
        lambda image: hashlib.sha256(f"image {image.number}".encode()).hexdigest()
    )
    file = factory.LazyAttribute(
        lambda image: ContentFile(picture_bytes(seed=image.number), name="cell.png")
    )
    byte_size = 1000
    width = 24
    height = 24
    uploaded_by = factory.SubFactory(UserFactory)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> CaseImage:
        image = super()._create(model_class, *args, **kwargs)
        # The case goes on numbering behind the rows made here.
        SmearCase.objects.filter(pk=image.case_id).update(
            last_image_number=Greatest("last_image_number", Value(image.number)),
            last_cell_number=Greatest("last_cell_number", Value(image.number)),
        )
        return image


class CellFactory(DjangoModelFactory):
    class Meta:
        model = Cell

    case = factory.SubFactory(SmearCaseFactory)
    image = factory.SubFactory(CaseImageFactory, case=factory.SelfAttribute("..case"))
    number = factory.SelfAttribute("image.number")
    left = 0
    top = 0
    width = 24
    height = 24


class CorrectionFactory(DjangoModelFactory):
    class Meta:
        model = Correction

    cell = factory.SubFactory(CellFactory)
    made_by = factory.SubFactory(UserFactory)
    to_class = factory.LazyFunction(lambda: cell_class("monocyte"))
    cell_version = factory.Sequence(lambda n: n + 1)


class LaboratorySettingsFactory(DjangoModelFactory):
    class Meta:
        model = LaboratorySettings

    laboratory = factory.SubFactory(LaboratoryFactory)


class ReferenceRangeFactory(DjangoModelFactory):
    class Meta:
        model = ReferenceRange

    laboratory = factory.SubFactory(LaboratoryFactory)
    cell_class = factory.LazyFunction(lambda: cell_class("neutrophil"))


class FindingFactory(DjangoModelFactory):
    class Meta:
        model = Finding

    case = factory.SubFactory(SmearCaseFactory)
    text = "Plasma cell"
    made_by = factory.SubFactory(UserFactory)


class SignOffFactory(DjangoModelFactory):
    class Meta:
        model = SignOff

    case = factory.SubFactory(SmearCaseFactory)
    version = 1
    signed_by = factory.SubFactory(UserFactory)
    signed_at = factory.LazyFunction(timezone.now)
    snapshot = factory.LazyAttribute(lambda row: as_stored(case_snapshot(case=row.case)))
    snapshot_sha256 = factory.LazyAttribute(lambda row: fingerprint(row.snapshot))


class AmendmentFactory(DjangoModelFactory):
    class Meta:
        model = Amendment

    sign_off = factory.SubFactory(SignOffFactory)
    case = factory.SelfAttribute("sign_off.case")
    made_by = factory.SubFactory(UserFactory)
    reason = "A cell was looked at again."


def cell_class(code: str) -> CellClass:
    """One of the classes every laboratory starts with."""
    return CellClass.objects.get(code=code)


def named_cell(case: SmearCase, code: str, *, confidence: float = 0.9, **attributes: Any) -> Cell:
    """A cell the model has named."""
    return CellFactory(
        case=case,
        label=cell_class(code),
        **{"label_source": "model", "confidence": confidence, "state": "done", **attributes},
    )


def picture(mode: str = "RGB", *, seed: int = 0, size: tuple[int, int] = (24, 24)) -> Image.Image:
    """A picture with different pixels for every seed, in one of Pillow's 8-bit modes."""
    noise = numpy.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype="uint8")
    return Image.fromarray(noise).convert(mode)


def picture_bytes(
    format: str = "PNG", *, seed: int = 0, size: tuple[int, int] = (24, 24), **options: Any
) -> bytes:
    """The same as a file."""
    stream = BytesIO()
    picture(seed=seed, size=size).save(stream, format=format, **options)
    return stream.getvalue()


def upload(name: str = "cell.png", data: bytes | None = None, *, seed: int = 0) -> Any:
    """An uploaded file as Django hands it to a view."""
    return SimpleUploadedFile(name, picture_bytes(seed=seed) if data is None else data)
