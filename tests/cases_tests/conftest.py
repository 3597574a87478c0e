"""Fixtures of the laboratory's side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cases.models import Laboratory, Role, SmearCase
from tests.cases_tests.api_client import client_of
from tests.factories import LaboratoryFactory, PatientFactory, SmearCaseFactory, member

if TYPE_CHECKING:
    from rest_framework.test import APIClient


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory(slug="here")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> Any:
    return member(laboratory, Role.REVIEWER, username="rita")


@pytest.fixture
def technician(laboratory: Laboratory) -> Any:
    return member(laboratory, Role.TECHNICIAN, username="teresa")


@pytest.fixture
def client(reviewer: Any) -> APIClient:
    """The API as a reviewer of ``laboratory`` uses it."""
    return client_of(reviewer)


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    patient = PatientFactory(laboratory=laboratory, identifier="HC-77", name="Ana Gil")
    return SmearCaseFactory(laboratory=laboratory, patient=patient, accession_number="26-1")
