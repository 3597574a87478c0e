"""Who may do what, and how many questions to the database that takes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from cases.models import Role
from cases.policies import AccessPolicy, Action, policy_of, require
from cases.services.errors import NotAllowed
from tests.factories import (
    CorrectionFactory,
    LaboratoryFactory,
    MembershipFactory,
    SmearCaseFactory,
    UserFactory,
    member,
    named_cell,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.TECHNICIAN, {Action.VIEW, Action.UPLOAD}),
        (Role.REVIEWER, {Action.VIEW, Action.UPLOAD, Action.CORRECT, Action.SIGN}),
        (Role.ADMINISTRATOR, set(Action)),
    ],
)
def test_what_each_role_may(role: str, allowed: set[Action]) -> None:
    laboratory, other = LaboratoryFactory(), LaboratoryFactory()
    user = member(laboratory, role)
    policy = AccessPolicy(user)
    for action in Action:
        assert policy.may(action, laboratory.pk) is (action in allowed)
        assert policy.may_anywhere(action) is (action in allowed)
        assert not policy.may(action, other.pk)
        with pytest.raises(NotAllowed):
            require(user, action, other.pk)


@pytest.mark.parametrize("user", ["nobody", "stranger", "closed", "superuser"])
def test_without_an_open_membership_nothing_is_seen(user: str) -> None:
    laboratory = LaboratoryFactory()
    people: dict[str, Any] = {
        "nobody": AnonymousUser(),
        "stranger": UserFactory(),
        "closed": member(laboratory, Role.ADMINISTRATOR, is_active=False),
        # Superusers look after the installation; patients are seen by members only.
        "superuser": UserFactory(is_superuser=True),
    }
    named_cell(SmearCaseFactory(laboratory=laboratory), "neutrophil")
    policy = AccessPolicy(people[user])
    assert not any(policy.may(action, laboratory.pk) for action in Action)
    for rows in (
        policy.laboratories(), policy.patients(), policy.cases(), policy.images(),
        policy.cells(), policy.corrections(),
    ):  # fmt: skip
        assert not rows.exists()


def test_rows_of_the_own_laboratories_alone() -> None:
    user = UserFactory()
    first = MembershipFactory(user=user, role=Role.TECHNICIAN).laboratory
    second = MembershipFactory(user=user, role=Role.REVIEWER).laboratory
    cells = [
        named_cell(SmearCaseFactory(laboratory=laboratory), "neutrophil")
        for laboratory in (first, second, LaboratoryFactory())
    ]
    corrections = [CorrectionFactory(cell=cell) for cell in cells]
    policy = AccessPolicy(user)
    assert set(policy.cells()) == set(cells[:2])
    assert set(policy.cells(Action.CORRECT)) == {cells[1]}
    assert set(policy.corrections()) == set(corrections[:2])
    assert set(policy.images()) == {cell.image for cell in cells[:2]}
    assert set(policy.cases()) == {cell.case for cell in cells[:2]}
    assert set(policy.patients()) == {cell.case.patient for cell in cells[:2]}
    assert set(policy.laboratories()) == {first, second}


def test_a_request_asks_once_and_again_for_another_user(
    rf: Any, django_assert_num_queries: Any
) -> None:
    laboratory = LaboratoryFactory()
    request = rf.get("/")
    request.user = member(laboratory, Role.REVIEWER)
    with django_assert_num_queries(1):
        for action in Action:
            policy_of(request).may(action, laboratory.pk)
    request.user = UserFactory()
    assert not policy_of(request).may(Action.VIEW, laboratory.pk)
