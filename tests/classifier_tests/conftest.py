"""Fixtures of the model's side."""

from __future__ import annotations

import pytest

from cases.models import SmearCase
from classifier.models import ModelVersion
from tests.classifier_tests.fakes import make_version
from tests.factories import SmearCaseFactory


@pytest.fixture
def version(db: None) -> ModelVersion:
    return make_version()


@pytest.fixture
def case(db: None) -> SmearCase:
    return SmearCaseFactory()
