"""Django's admin: everything for superusers, one's own laboratory for its administrators."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cases.models import (
    CaseAssignment,
    Cell,
    Correction,
    Detection,
    DetectionCorrection,
    Laboratory,
    LaboratorySettings,
    Membership,
    Patient,
    PatientName,
    Role,
    SmearCase,
    User,
)
from tests.factories import (
    AmendmentFactory,
    CorrectionFactory,
    FindingFactory,
    LaboratoryFactory,
    MembershipFactory,
    PatientFactory,
    ReferenceRangeFactory,
    SignOffFactory,
    SmearCaseFactory,
    UserFactory,
    member,
    named_cell,
)

pytestmark = pytest.mark.django_db
MODELS = sorted(
    (each for each in admin.site._registry if each._meta.app_label == "cases"),
    key=lambda each: each.__name__,
)
SHARED_OR_CLOSED = {"ApiToken", "CellClass", "IdempotentAnswer", "Page"}


def page(model: Any, name: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:cases_{model._meta.model_name}_{name}", args=args)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss() -> User:
    return member(LaboratoryFactory(), Role.ADMINISTRATOR, is_staff=True, username="boss")


@pytest.fixture
def here(boss: User) -> Laboratory:
    return Laboratory.objects.get(memberships__user=boss)


def some_rows(laboratory: Laboratory, note: str) -> dict[str, Any]:
    patient = PatientFactory(laboratory=laboratory, identifier=f"P-{note}")
    case = SmearCaseFactory(laboratory=laboratory, patient=patient, accession_number=f"A-{note}")
    cell = named_cell(case, "neutrophil")
    correction = CorrectionFactory(cell=cell)
    user = member(laboratory, username=f"user-{note}")
    signed = SignOffFactory(case=case)
    amendment = AmendmentFactory(sign_off=signed)
    found = Detection.objects.create(
        image=cell.image, number=1, kind="white_cell", left=0, top=0, width=20, height=20
    )
    removed = DetectionCorrection.objects.create(
        detection=found, made_by=user, action="removed", detection_version=1
    )
    return {
        "Patient": patient, "SmearCase": case, "Cell": cell, "CaseImage": cell.image,
        "Detection": found, "DetectionCorrection": removed,
        "Correction": correction, "User": user, "Laboratory": laboratory,
        "Membership": user.memberships.get(),
        "LaboratorySettings": LaboratorySettings.objects.get_or_create(laboratory=laboratory)[0],
        "ReferenceRange": ReferenceRangeFactory(laboratory=laboratory),
        "Finding": FindingFactory(case=case), "SignOff": signed, "Amendment": amendment,
        "CaseAssignment": CaseAssignment.objects.create(case=case, assignee=user, made_by=user),
    }  # fmt: skip


def test_every_model_has_its_page() -> None:
    assert {each.__name__ for each in MODELS} == {
        "Amendment", "ApiToken", "CaseAssignment", "CaseImage", "Cell", "CellClass", "Correction",
        "Detection", "DetectionCorrection", "Finding", "IdempotentAnswer", "Laboratory",
        "LaboratorySettings", "Membership", "Page",
        "Patient", "ReferenceRange", "SignOff", "SmearCase", "User",
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.__name__)
def test_superusers_see_every_page(model: Any) -> None:
    rows = some_rows(LaboratoryFactory(), "any")
    client = client_of(UserFactory(is_staff=True, is_superuser=True))
    assert client.get(page(model)).status_code == 200
    if model.__name__ in rows:
        assert client.get(page(model, "change", rows[model.__name__].pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.__name__)
def test_administrators_see_their_own_rows_only(boss: User, here: Laboratory, model: Any) -> None:
    client = client_of(boss)
    name = model.__name__
    if name in SHARED_OR_CLOSED:
        closed = name in ("ApiToken", "IdempotentAnswer")
        assert client.get(page(model)).status_code == (403 if closed else 200)
        assert client.get(page(model, "add")).status_code == 403
        return
    mine, theirs = some_rows(here, "mine"), some_rows(LaboratoryFactory(), "theirs")
    listed = client.get(page(model))
    shown = {each.pk for each in listed.context["cl"].result_list}
    assert mine[name].pk in shown
    assert theirs[name].pk not in shown
    assert client.get(page(model, "change", mine[name].pk)).status_code == 200
    for action in ("change", "delete", "history"):
        answer = client.get(page(model, action, theirs[name].pk))
        assert answer.status_code in (302, 403)
        assert b"theirs" not in answer.content


@pytest.mark.parametrize(
    "user",
    [
        {"role": Role.ADMINISTRATOR, "is_staff": False},
        {"role": Role.REVIEWER, "is_staff": True},
        {"role": Role.TECHNICIAN, "is_staff": True},
    ],
)
def test_others_see_nothing(user: dict[str, Any]) -> None:
    client = client_of(member(LaboratoryFactory(), **user))
    for model in MODELS:
        assert client.get(page(model)).status_code in (302, 403)


def test_foreign_keys_offer_and_accept_own_rows_only(boss: User, here: Laboratory) -> None:
    mine, theirs = some_rows(here, "mine"), some_rows(LaboratoryFactory(), "theirs")
    client = client_of(boss)
    assert b"theirs" not in client.get(page(Patient, "add")).content
    wrong = {"laboratory": theirs["Laboratory"].pk, "identifier": "P9", "sex": "unknown"}
    client.post(page(Patient, "add"), wrong)
    assert not Patient.objects.filter(identifier="P9").exists()
    client.post(page(Patient, "add"), {**wrong, "laboratory": here.pk, "name": "Eva Sanz"})
    patient = Patient.objects.get(identifier="P9")
    assert patient.laboratory == here
    # The name lies in a table of its own: written, changed and taken away beside the record.
    assert PatientName.objects.get().name == patient.name == "Eva Sanz"
    change = page(Patient, "change", patient.pk)
    assert b'value="Eva Sanz"' in client.get(change).content
    for name, rows in (("Eva Ruiz", 1), ("", 0)):
        client.post(change, {"identifier": "P9", "sex": "unknown", "name": name})
        assert Patient.objects.get(pk=patient.pk).name == name
        assert PatientName.objects.count() == rows

    case = {
        "laboratory": here.pk,
        "accession_number": "A9",
        "stain": "",
        "clinical_note": "",
        "priority": "routine",
    }
    client.post(page(SmearCase, "add"), {**case, "patient": theirs["Patient"].pk})
    assert not SmearCase.objects.filter(accession_number="A9").exists()
    client.post(page(SmearCase, "add"), {**case, "patient": mine["Patient"].pk})
    assert SmearCase.objects.get(accession_number="A9").created_by == boss

    found = client.get(
        reverse("admin:autocomplete"),
        {"app_label": "cases", "model_name": "smearcase", "field_name": "patient", "term": "P-"},
    ).json()["results"]
    assert [each["text"] for each in found] == ["P-mine"]


def test_an_administrator_cannot_climb(boss: User, here: Laboratory) -> None:
    client = client_of(boss)
    other = LaboratoryFactory()
    form = {
        "username": "boss", "is_active": "on", "is_superuser": "on", "is_staff": "on",
        "memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": boss.memberships.get().pk, "memberships-0-user": boss.pk,
        "memberships-0-laboratory": here.pk, "memberships-0-role": "administrator",
        "memberships-1-user": boss.pk, "memberships-1-laboratory": other.pk,
        "memberships-1-role": "administrator",
    }  # fmt: skip
    client.post(page(User, "change", boss.pk), form)
    client.post(
        page(Membership, "add"), {"user": boss.pk, "laboratory": other.pk, "role": "administrator"}
    )
    client.post(
        page(Membership, "change", boss.memberships.get().pk),
        {"user": boss.pk, "laboratory": other.pk, "role": "administrator"},
    )
    client.post(page(Laboratory, "add"), {"name": "Mine", "slug": "mine"})
    boss.refresh_from_db()
    assert not boss.is_superuser
    assert [each.laboratory for each in boss.memberships.all()] == [here]
    assert Laboratory.objects.count() == 2
    sent = {key: value for key, value in form.items() if not key.startswith("memberships-1")}
    client.post(page(User, "change", boss.pk), {**sent, "memberships-TOTAL_FORMS": "1"})
    boss.refresh_from_db()
    assert not boss.is_superuser


def test_an_administrator_adds_a_member_with_a_role(boss: User, here: Laboratory) -> None:
    form = {
        "username": "new", "password1": "a sound password", "password2": "a sound password",
        "usable_password": "true", "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0", "memberships-0-laboratory": here.pk,
        "memberships-0-role": "technician",
    }  # fmt: skip
    answer = client_of(boss).post(page(User, "add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    new = User.objects.get(username="new")
    assert [each.role for each in new.memberships.all()] == ["technician"]
    assert not new.is_staff


def test_members_of_two_laboratories_and_superusers_are_out_of_reach(
    boss: User, here: Laboratory
) -> None:
    shared = member(here)
    MembershipFactory(user=shared)
    root = member(here, is_superuser=True)
    client = client_of(boss)
    for user, readable in ((shared, True), (root, False)):
        password = reverse("admin:auth_user_password_change", args=[user.pk])
        new = {"password1": "a sound password", "password2": "a sound password"}
        client.post(password, {**new, "usable_password": "true"})
        user.refresh_from_db()
        assert not user.check_password("a sound password")
        client.post(page(User, "change", user.pk), {"username": "taken"})
        client.post(page(User, "delete", user.pk), {"post": "yes"})
        assert User.objects.filter(username=user.username).exists()
        answer = client.get(page(User, "change", user.pk))
        assert (answer.status_code == 200) is readable


def test_what_services_keep_is_read_only_for_superusers_too() -> None:
    rows = some_rows(LaboratoryFactory(), "any")
    client = client_of(UserFactory(is_staff=True, is_superuser=True))
    for model in (Cell, Correction):
        row = rows[model.__name__]
        assert client.get(page(model, "add")).status_code == 403
        assert client.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert client.post(page(model, "change", row.pk), {"comment": "x"}).status_code == 403
    case = rows["SmearCase"]
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    answer = client.post(page(SmearCase, "change", case.pk), {"accession_number": "changed"})
    assert answer.status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.__name__)
def test_lists_need_the_same_queries_at_any_length(
    boss: User, here: Laboratory, model: Any
) -> None:
    client = client_of(boss)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(page(model))
        return len(captured)

    some_rows(here, "first")
    few = queries()
    for number in range(12):
        some_rows(here, str(number))
    assert queries() == few <= 12
