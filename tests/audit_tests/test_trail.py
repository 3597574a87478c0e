"""What the trail holds, that nobody can change it, and that a change behind its back is noticed."""

from __future__ import annotations

import csv
import io
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from cases.audit import guard
from cases.audit.models import AppendOnlyError, AuditEntry, AuditHead
from cases.audit.services import record, verify
from cases.models import ApiToken, Laboratory, SmearCase
from tests.cases_tests.pages import logged_in, text_of
from tests.conftest import found_after_migrations
from tests.factories import (
    PASSWORD,
    LaboratoryFactory,
    MembershipFactory,
    PatientFactory,
    SmearCaseFactory,
    member,
    named_cell,
)

API = "/api/v1"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _audited(settings: Any) -> None:
    settings.AUDIT = True


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory(name="Hospital San Marcos")


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    patient = PatientFactory(laboratory=laboratory, name="María Zebra", identifier="HC-1")
    return SmearCaseFactory(laboratory=laboratory, patient=patient, accession_number="26-7")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> Any:
    return member(laboratory, "reviewer", username="rita")


def said(**wanted: Any) -> list[tuple[str, str, int | None]]:
    rows = AuditEntry.objects.filter(**wanted).order_by("sequence")
    return [(each.action, each.subject, each.case_id) for each in rows]


# --- what is recorded ----------------------------------------------------------------------------
def test_seeing_a_case_is_one_entry_not_one_for_every_picture(
    reviewer: Any, case: SmearCase
) -> None:
    cells = [named_cell(case, "monocyte") for _ in range(5)]
    client = logged_in(reviewer)
    AuditEntry.objects.all()._raw_delete("default")
    AuditHead.objects.update(sequence=0, digest="0" * 64)
    client.get(f"/cases/{case.pk}/")
    for cell in cells:
        assert client.get(f"/cells/{cell.pk}/photo/").status_code == 200
        client.get(f"/images/{cell.image_id}/file/")
    client.get(f"{API}/cases/{case.pk}/counts/")
    assert said() == [("viewed", "GET case_detail", case.pk)]
    entry = AuditEntry.objects.get()
    assert (entry.username, entry.user_id) == ("rita", reviewer.pk)
    assert (entry.laboratory_id, entry.address) == (case.laboratory_id, "127.0.0.1")


def test_a_picture_alone_is_seeing_the_case(reviewer: Any, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    _kept, token = ApiToken.objects.create(reviewer)
    Client(headers={"Authorization": f"Token {token}"}).get(f"{API}/images/{cell.image_id}/file/")
    assert said() == [("viewed", "GET api-image-file", case.pk)]


def test_what_was_refused_or_not_there_is_not_seen(reviewer: Any, case: SmearCase) -> None:
    elsewhere = SmearCaseFactory()
    client = logged_in(reviewer)
    client.get(f"/cases/{elsewhere.pk}/")
    client.get("/cases/99999/")
    assert said(action="viewed") == []


def test_changes_are_recorded_and_refusals_too(reviewer: Any, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    form = f"to_class=lymphocyte&expected_version={cell.version}"  # as browsers send it
    plain = "application/x-www-form-urlencoded"
    client.post(f"/cells/{cell.pk}/correct/", form, content_type=plain)
    changed = AuditEntry.objects.get(action="changed")
    assert (changed.subject, changed.case_id) == ("POST cell_correct", case.pk)
    assert changed.details["to_class"] == ["lymphocyte"]
    technician = member(case.laboratory, "technician")
    logged_in(technician).post(f"/cells/{cell.pk}/correct/", form, content_type=plain)
    refused = AuditEntry.objects.get(action="refused")
    assert refused.user_id == technician.pk
    assert refused.details["status"] == 403
    body = {"identifier": "P-9", "name": "Nobody Zebra"}
    _kept, token = ApiToken.objects.create(reviewer)
    program = Client(headers={"Authorization": f"Token {token}"})
    assert (
        program.post(f"{API}/patients/", body, content_type="application/json").status_code == 201
    )
    assert said(subject="POST api-patient-list") == [("changed", "POST api-patient-list", None)]
    assert "Zebra" not in str(list(AuditEntry.objects.values_list()))


def test_nothing_changes_that_cannot_be_recorded(
    reviewer: Any, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**given: Any) -> None:
        raise DatabaseError

    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    client.raise_request_exception = False
    monkeypatch.setattr("cases.trail.record", broken)
    form = {"to_class": "lymphocyte", "expected_version": cell.version}
    assert client.post(f"/cells/{cell.pk}/correct/", form).status_code == 500
    cell.refresh_from_db()
    assert str(cell.label) == "Monocyte"


def test_lists_log_ins_and_their_failures(reviewer: Any, case: SmearCase) -> None:
    Client().post("/login/", {"username": "rita", "password": "wrong"})
    Client().post("/login/", {"username": "no such person", "password": "wrong"})
    client = Client()
    client.post("/login/", {"username": "rita", "password": PASSWORD})
    client.get("/cases/?q=Zebra")
    client.get("/cases/")
    client.post("/logout/")
    got = [each[0] for each in said(laboratory_id=case.laboratory_id)]
    assert got == ["log_in_failed", "logged_in", "listed", "changed", "logged_out"]
    assert not AuditEntry.objects.filter(username="no such person").exists()
    assert "Zebra" not in str(list(AuditEntry.objects.values_list()))


def test_a_change_is_told_to_its_own_laboratory_alone(case: SmearCase) -> None:
    other = LaboratoryFactory()
    both = member(other, "administrator")
    MembershipFactory(user=both, laboratory=case.laboratory, role="administrator")
    logged_in(both).post(f"/laboratories/{other.pk}/settings/", {"nrbc_threshold": "10"})
    entries = AuditEntry.objects.filter(subject="POST laboratory_settings")
    assert [each.laboratory_id for each in entries] == [other.pk]


# --- append-only ---------------------------------------------------------------------------------
def test_migrations_make_the_triggers() -> None:
    assert found_after_migrations == guard.triggers_of(connection).keys()


def test_neither_code_nor_sql_changes_an_entry(laboratory: Laboratory) -> None:
    entry = record(action="viewed", subject="a")
    entry.subject = "b"
    for change in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(subject="b"),
    ):
        with pytest.raises(AppendOnlyError):
            change()
    guard.install(connection)
    try:
        for statement in (
            "UPDATE audit_auditentry SET subject = 'b'",
            "DELETE FROM audit_auditentry",
            *(["TRUNCATE audit_auditentry"] if connection.vendor == "postgresql" else []),
        ):
            with (
                pytest.raises(DatabaseError, match="append-only"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)
    finally:
        guard.remove(connection)
    assert AuditEntry.objects.get().subject == "a"


# --- the chain -----------------------------------------------------------------------------------
def tamper(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def chain(db: None) -> str:
    """Six entries and the triggers; the head as the last check gave it."""
    for number in range(6):
        record(action="viewed", subject=f"page {number}", details={"ñ": [number]}, address="::1")
    return verify().head


def faults(**given: Any) -> list[str]:
    found = [each for each in verify(**given).faults if "trigger" not in each]
    return found


def test_a_whole_chain_passes(chain: str) -> None:
    assert faults() == faults(expected_head=chain) == []
    assert chain.startswith("6:")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("subject", "other"), ("username", "other"), ("action", "signed"), ("case_id", 7),
        ("user_id", 7), ("laboratory_id", 7), ("at", "2020-01-01 00:00:00+00:00"),
        ("address", "10.0.0.1"), ("details", '{"a": 1}'), ("previous", "1" * 64),
        ("digest", "1" * 64),
    ],
)  # fmt: skip
def test_an_edited_entry_is_named(chain: str, column: str, value: Any) -> None:
    tamper(f"UPDATE audit_auditentry SET {column} = %s WHERE sequence = 3", value)
    assert "entry 3 was edited" in faults()


def test_a_removed_entry_is_named(chain: str) -> None:
    tamper("DELETE FROM audit_auditentry WHERE sequence = 4")
    assert faults() == ["entry 4 is missing"]


def test_the_last_entries_removed_are_named(chain: str) -> None:
    tamper("DELETE FROM audit_auditentry WHERE sequence >= 5")
    assert faults() == ["entries 5 to 6 are missing"]
    tamper("UPDATE audit_audithead SET sequence = 4")
    assert "the head says 4, and the last entry is 4" in faults()
    digest = AuditEntry.objects.get(sequence=4).digest
    tamper("UPDATE audit_audithead SET digest = %s", digest)
    assert faults() == ["the head of the chain was edited"]
    assert "entries 5 to 6 are missing" in faults(expected_head=chain)


def test_an_entry_put_in_or_renumbered_is_named(chain: str) -> None:
    tamper("UPDATE audit_auditentry SET sequence = 7 WHERE sequence = 3")
    found = faults()
    assert "entry 3 is missing" in found
    assert "entry 7 was edited" in found


def test_another_key_is_no_key(chain: str, settings: Any) -> None:
    settings.AUDIT_KEYS = ["another"]
    assert "entry 1 was signed with a key that AUDIT_KEYS does not hold" in faults()
    settings.AUDIT_KEYS = ["another", settings.SECRET_KEY]
    record(action="viewed", subject="after the change of keys")
    assert faults() == []


def test_missing_triggers_are_named(chain: str) -> None:
    assert any("trigger" in each for each in verify().faults)
    guard.install(connection)
    try:
        assert verify().faults == []
    finally:
        guard.remove(connection)


def test_the_command_says_so(chain: str) -> None:
    guard.install(connection)
    try:
        out = StringIO()
        call_command("verify_audit", expect=chain, stdout=out)
        assert f"6 entries, head {chain}\nThe trail is whole." in out.getvalue()
    finally:
        guard.remove(connection)
    tamper("UPDATE audit_auditentry SET subject = 'x' WHERE sequence = 2")
    errors = StringIO()
    with pytest.raises(CommandError, match="not whole"):
        call_command("verify_audit", stdout=StringIO(), stderr=errors)
    assert "entry 2 was edited" in errors.getvalue()
    with pytest.raises(CommandError, match="SEQUENCE:DIGEST"):
        call_command("verify_audit", expect="nonsense")


# --- the administrator's page --------------------------------------------------------------------
@pytest.fixture
def administrator(laboratory: Laboratory) -> Any:
    return member(laboratory, "administrator", username="adela")


def test_administrators_search_their_own_laboratory(
    administrator: Any, reviewer: Any, case: SmearCase
) -> None:
    elsewhere = SmearCaseFactory()
    record(action="viewed", subject="elsewhere", laboratory_id=elsewhere.laboratory_id)
    logged_in(reviewer).get(f"/cases/{case.pk}/")
    client = logged_in(administrator)
    page = client.get("/audit/", {"who": "RIT", "action": "viewed", "case": "26-7"})
    (row,) = page.context["rows"]
    assert (row["entry"].username, row["accession"]) == ("rita", "26-7")
    assert "elsewhere" not in text_of(client.get("/audit/"))
    for nothing in ({"case": "other"}, {"who": "nobody"}, {"end": "2020-01-01"}, {"begin": "x"}):
        assert not client.get("/audit/", nothing).context["rows"], nothing
    other = f"/audit/?laboratory={elsewhere.laboratory_id}"
    assert client.get(other).status_code == 404


def test_the_trail_is_taken_away_as_csv_and_that_is_recorded(
    administrator: Any, laboratory: Laboratory
) -> None:
    record(action="viewed", subject="=1+1", laboratory_id=laboratory.pk)
    answer = logged_in(administrator).get("/audit/export/")
    assert answer["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert "'=1+1" in [each["subject"] for each in rows]
    assert said(action="exported") == [("exported", "GET audit_export", None)]


def test_a_long_trail_is_read_in_pages(
    administrator: Any, laboratory: Laboratory, django_assert_max_num_queries: Any
) -> None:
    for _ in range(60):
        record(action="viewed", subject="a", laboratory_id=laboratory.pk)
    client = logged_in(administrator)
    with django_assert_max_num_queries(25):
        assert len(client.get("/audit/").context["rows"]) == 50


# --- many at once --------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    import threading

    from django.db import connections

    AuditHead.objects.get_or_create(pk=1)
    start = threading.Barrier(4)
    problems: list[BaseException] = []

    def write() -> None:
        try:
            start.wait(10)
            for number in range(15):
                record(action="viewed", subject=f"page {number}")
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not problems
    assert AuditEntry.objects.count() == 60
    assert faults() == []
