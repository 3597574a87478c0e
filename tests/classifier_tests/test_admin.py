"""The admin pages of the model's side: who sees what, and who activates a model."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from cases.models import Cell, Role, SmearCase
from classifier.models import ModelVersion
from classifier.services import work
from tests.classifier_tests.fakes import FakePredictor, make_version, queue_cells
from tests.factories import LaboratoryFactory, UserFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def cells(version: ModelVersion, case: SmearCase) -> list[Cell]:
    cells = queue_cells(case, 2)
    work.run_pending(predictor=FakePredictor())
    return cells


@pytest.mark.parametrize("model", ["prediction", "classificationjob"])
def test_administrators_see_their_own_laboratorys_rows(
    client: Any, case: SmearCase, cells: list[Cell], model: str
) -> None:
    address = reverse(f"admin:classifier_{model}_changelist")
    own = member(case.laboratory, Role.ADMINISTRATOR, is_staff=True)
    other = member(LaboratoryFactory(), Role.ADMINISTRATOR, is_staff=True)
    for user, shown in ((own, True), (other, False)):
        client.force_login(user)
        assert (case.accession_number in client.get(address).content.decode()) is shown
    client.force_login(own)
    assert client.get(reverse(f"admin:classifier_{model}_add")).status_code == 403


def activate(client: Any, *versions: ModelVersion) -> Any:
    return client.post(
        reverse("admin:classifier_modelversion_changelist"),
        {"action": "activate", "_selected_action": [version.pk for version in versions]},
        follow=True,
    )


def test_only_superusers_choose_the_active_model(
    client: Any, case: SmearCase, version: ModelVersion
) -> None:
    other = make_version("model two", active=False)
    client.force_login(member(case.laboratory, Role.ADMINISTRATOR, is_staff=True))
    assert client.get(reverse("admin:classifier_modelversion_changelist")).status_code == 200
    activate(client, other)
    assert list(ModelVersion.objects.active()) == [version]
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    activate(client, other, version)
    assert list(ModelVersion.objects.active()) == [version]
    activate(client, other)
    assert list(ModelVersion.objects.active()) == [other]
