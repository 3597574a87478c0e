"""Fixtures of what leaves the laboratory."""

from __future__ import annotations

from typing import Any

import pytest

from cases.models import Cell, Laboratory, Role, SmearCase, User
from cases.services.corrections import correct_cell
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import LaboratoryFactory, PatientFactory, SmearCaseFactory, member


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory(
        name="Hospital Clínico de Ejemplo",
        slug="here",
        address="Servicio de Hematología\nCalle Mayor 1, 08001 Barcelona",
        phone="+34 930 000 000",
        accreditation="ISO 15189, n.º 123",
    )


@pytest.fixture
def reviewer(laboratory: Laboratory) -> User:
    return member(laboratory, Role.REVIEWER, username="rita", first_name="Rita", last_name="Gil")


@pytest.fixture
def technician(laboratory: Laboratory) -> User:
    return member(laboratory, Role.TECHNICIAN, username="teresa")


@pytest.fixture
def administrator(laboratory: Laboratory) -> User:
    return member(laboratory, Role.ADMINISTRATOR, username="ada")


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    patient = PatientFactory(
        laboratory=laboratory,
        identifier="HC-77",
        name="María Núñez Ibáñez",
        sex="female",
        birth_date="1961-04-09",
        language="es",
    )
    return SmearCaseFactory(
        laboratory=laboratory, patient=patient, accession_number="26-000123", stain="Wright"
    )


def predicted(case: SmearCase, *codes: str, confidence: float = 0.95) -> list[Cell]:
    """Cells the model has named so, with their predictions."""
    if not _has_model():
        make_version()
    replies = iter([answer(code, confidence) for code in codes])
    cells = queue_cells(case, len(codes))
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    return [Cell.objects.select_related("label").get(pk=cell.pk) for cell in cells]


def _has_model() -> bool:
    from classifier.models import ModelVersion

    return ModelVersion.objects.filter(active=True).exists()


def name_cell(cell: Cell, user: User, code: str, comment: str = "") -> Any:
    """A reviewer's word on a cell; the same class confirms it."""
    return correct_cell(cell_id=cell.pk, user=user, to_class=code, comment=comment)
