"""Removing a patient's data, rules of keeping, and what is never served."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.db.models.query import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.audit.models import AuditEntry
from cases.models import (
    CaseImage,
    Cell,
    Correction,
    Housekeeping,
    Laboratory,
    Patient,
    SignOff,
    SmearCase,
    User,
)
from cases.services.corrections import correct_cell
from cases.services.snapshots import fingerprint
from classifier.models import ClassificationJob, Prediction, Projection
from classifier.privacy import removing, retention
from classifier.privacy.models import Removal, RetentionRules
from classifier.privacy.tables import working_rows
from classifier.reports.pseudonyms import pseudonym
from classifier.services.work import run_pending
from classifier.tasks import apply_retention
from pbcsite.backup import rows as tables
from tests.access_world import projection_of
from tests.classifier_tests.fakes import FakePredictor, make_version, queue_cells
from tests.factories import (
    AmendmentFactory,
    FindingFactory,
    LaboratoryFactory,
    PatientFactory,
    SignOffFactory,
    SmearCaseFactory,
    member,
)
from tests.reading_rows import asked_for, case_to_read, read_at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def laboratory(transactional_db: None) -> Laboratory:
    return LaboratoryFactory(slug="here")


@pytest.fixture
def administrator(laboratory: Laboratory) -> User:
    user: User = member(laboratory, "administrator")
    return user


@pytest.fixture
def patient(laboratory: Laboratory, administrator: User) -> Patient:
    """With a signed case and an open one, and rows of every kind on both."""
    found = PatientFactory(laboratory=laboratory, name="zebra", birth_date="1950-01-01")
    make_version()
    signed = full_case(found)
    AmendmentFactory(sign_off=SignOffFactory(case=signed), made_by=administrator)
    signed.status = "signed_off"
    signed.save()
    full_case(found)
    return found


def full_case(patient: Patient) -> SmearCase:
    laboratory = patient.laboratory
    case: SmearCase = SmearCaseFactory(
        laboratory=laboratory, patient=patient, clinical_note="zebra note"
    )
    corrector, *readers = [member(laboratory, "reviewer") for _ in range(3)]
    queue_cells(case, 2)
    run_pending(predictor=FakePredictor())
    cell = case.cells.first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=corrector, to_class="blast", comment="zebra")
    FindingFactory(case=case, cell=cell, image=cell.image, made_by=corrector)
    shown = projection_of(case, corrector)
    Projection.objects.filter(pk=shown.pk).update(key=f"of case {case.pk}")
    case_to_read(case, 2)
    read_at_once(asked_for(case, member(laboratory, "administrator"), tuple(readers)))
    return case


def counts() -> dict[str, int]:
    return {each._meta.label: QuerySet(each).count() for each in tables.tables()}


def files() -> set[str]:
    root = Path(default_storage.path("."))
    return {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()}


def test_exactly_what_was_shown_goes_and_what_was_signed_stays(
    patient: Patient, administrator: User, settings: Any
) -> None:
    other = full_case(PatientFactory(laboratory=patient.laboratory, name="another"))
    signed = SignOff.objects.get(case__patient=patient)
    document, proof = dict(signed.snapshot), signed.snapshot_sha256
    before, files_before = counts(), files()
    own = {each.file.name for each in CaseImage.objects.filter(case__patient=patient)}
    plan = removing.plan_for_patient(patient=patient)
    assert plan.rows["cases.Cell"] == plan.files == len(own) > 0
    assert (len(plan.kept_cases), len(plan.gone_cases)) == (1, 1)
    expected = {"classifier.Prediction", "cases.Correction", "cases.Finding", "cases.Reading"}
    expected |= {"cases.ReadingLabel", "classifier.Projection", "cases.DoubleReading"}
    assert expected <= plan.rows.keys()

    done = removing.remove_patient(user=administrator, patient=patient)
    assert done.rows == plan.rows
    after = counts()
    fallen = {
        label: before[label] - after[label] for label in before if before[label] > after[label]
    }
    assert fallen == plan.rows
    assert files() == files_before - own

    patient.refresh_from_db()
    assert (patient.name, patient.birth_date, patient.sex) == ("", None, "unknown")
    signed.refresh_from_db()
    assert signed.snapshot == document
    assert fingerprint(signed.snapshot) == proof == signed.snapshot_sha256
    assert signed.case.clinical_note == ""
    assert signed.amendment.reason
    # Others are as they were.
    assert other.cells.count() == 4
    assert Prediction.objects.filter(cell__case=other).count() == 2
    removal = Removal.objects.get()
    assert (removal.reason, removal.rows, removal.files) == ("request", plan.rows, plan.files)
    entry = AuditEntry.objects.get(subject="removed: request")
    assert entry.user_id == administrator.pk
    assert entry.details["rows"] == plan.rows
    assert "zebra" not in json.dumps([removal.rows, entry.details])
    # The pages of what stays still open.
    client = Client()
    client.force_login(administrator)
    place = f"/cases/{signed.case_id}/"
    for address in (place, f"{place}versions/1/", f"{place}report.pdf", "/cases/", "/privacy/"):
        assert client.get(address).status_code == 200, address


def test_a_patient_without_a_signature_goes_wholly(
    laboratory: Laboratory, administrator: User
) -> None:
    make_version()
    found = PatientFactory(laboratory=laboratory, name="zebra")
    full_case(found)
    plan = removing.remove_patient(user=administrator, patient=found)
    assert not plan.patient_stays
    assert not Patient.objects.filter(pk=found.pk).exists()
    assert not SmearCase.objects.exists()
    assert files() == set()


def test_a_failure_leaves_every_row_and_every_file(
    patient: Patient, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, files_before = counts(), files()

    def failing(*given: Any, **named: Any) -> None:
        raise RuntimeError("the trail cannot be written")

    monkeypatch.setattr(removing, "record", failing)
    with pytest.raises(RuntimeError):
        removing.remove_patient(user=administrator, patient=patient)
    assert counts() == before
    assert files() == files_before


def test_a_worker_that_is_just_at_it_stores_nothing_afterwards(
    laboratory: Laboratory, administrator: User
) -> None:
    make_version()
    found = PatientFactory(laboratory=laboratory)
    queue_cells(SmearCaseFactory(laboratory=laboratory, patient=found), 2)

    def meanwhile(pictures: Any) -> None:
        removing.remove_patient(user=administrator, patient=found)

    run_pending(predictor=FakePredictor(before=meanwhile))
    assert not Prediction.objects.exists()
    assert not ClassificationJob.objects.exists()
    assert not Cell.objects.exists()


def test_every_row_that_hangs_on_a_case_is_known(patient: Patient) -> None:
    """A table born later that points to a case or a cell must be named here or kept on purpose."""
    kept = {"cases.SignOff", "cases.Amendment", "cases.SmearCase", "cases.PatientName"}
    named = {label for label, _rows in working_rows([])}
    pointing = {
        model._meta.label
        for model in tables.tables()
        for field in model._meta.concrete_fields
        if field.remote_field
        and field.related_model._meta.label in (named | {"cases.SmearCase", "cases.Patient"})
    }
    assert pointing - named - kept <= {"classifier.TilePyramid"}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_page_shows_exact_counts_and_wants_the_identifier(
    patient: Patient, administrator: User
) -> None:
    client = client_of(administrator)
    found = client.get("/privacy/", {"identifier": patient.identifier}).content.decode()
    address = f"/patients/{patient.pk}/remove/"
    assert address in found
    page = client.get(address).content.decode()
    plan = removing.plan_for_patient(patient=patient)
    for number in set(plan.rows.values()):
        assert f"<strong>{number}</strong>" in page
    assert "1 signed case stays" in page
    refused = client.post(address, {"identifier": "another"})
    assert refused.status_code == 422
    assert Cell.objects.filter(case__patient=patient).exists()
    done = client.post(address, {"identifier": patient.identifier}, follow=True)
    assert f"{plan.total} rows and {plan.files} pictures were removed." in done.content.decode()
    assert not Cell.objects.filter(case__patient=patient).exists()


def old(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


@pytest.fixture
def ages(laboratory: Laboratory) -> dict[str, SmearCase]:
    """Cases on both sides of every rule."""
    RetentionRules.objects.create(
        laboratory=laboratory, names_days=30, pictures_days=60, unsigned_days=90
    )
    made = {}
    signatures = {"new": 10, "names": 40, "old": 70, "amended": 70}
    changes = {"left": 100, "open": 80}
    for name in (*signatures, *changes):
        signed, changed = signatures.get(name), changes.get(name, 0)
        owner = PatientFactory(laboratory=laboratory, name=name)
        case = SmearCaseFactory(laboratory=laboratory, patient=owner)
        queue_cells(case, 1)
        if signed is not None:
            SignOffFactory(case=case, signed_at=old(signed))
        status = {"amended": "amended"}.get(name, "signed_off" if signed else "in_review")
        QuerySet(SmearCase).filter(pk=case.pk).update(updated_at=old(changed), status=status)
        made[name] = case
    return made


def test_rules_let_go_what_is_due_and_a_dry_run_only_says_so(
    ages: dict[str, SmearCase], laboratory: Laboratory
) -> None:
    elsewhere = SmearCaseFactory(laboratory=LaboratoryFactory(slug="elsewhere"))
    QuerySet(SmearCase).filter(pk=elsewhere.pk).update(updated_at=old(1000))
    before, files_before = counts(), files()
    said = StringIO()
    call_command("retention", dry_run=True, stdout=said)
    assert counts() == before
    assert files() == files_before
    assert (
        "here: 2 names, 1 signed cases' pictures and cells, 1 unsigned cases would go"
        in said.getvalue()
    )
    assert "elsewhere: 0 names, 0 signed" in said.getvalue()

    said = StringIO()
    call_command("retention", stdout=said)
    assert "here: 2 names" in said.getvalue()
    left = set(SmearCase.objects.values_list("patient__name_record__name", flat=True))
    assert left == {"new", None, "amended", "open"}
    assert not ages["old"].cells.exists()
    assert ages["old"].sign_offs.count() == 1
    assert ages["names"].cells.count() == ages["amended"].cells.count() == 1
    assert len(files_before - files()) == 2
    assert set(Removal.objects.values_list("reason", flat=True)) == {
        "names", "pictures", "unsigned"
    }  # fmt: skip
    # A second run finds nothing.
    again = retention.due(laboratory=laboratory)
    assert (again.patients, again.signed, again.unsigned) == ([], [], [])


def test_the_scheduler_applies_the_rules_once_a_day_and_each_removal_is_in_the_trail(
    ages: dict[str, SmearCase], laboratory: Laboratory, settings: Any, monkeypatch: Any
) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["retention"]
    assert entry == {"task": "classifier.tasks.apply_retention", "schedule": timedelta(hours=24)}
    # A laboratory without a rule is not looked at; one whose rules fail stops no other.
    LaboratoryFactory(slug="keeps all")
    failing = LaboratoryFactory(slug="fails")
    RetentionRules.objects.create(laboratory=failing, names_days=1)
    apply = retention.apply

    def failed(*, laboratory: Laboratory) -> Any:
        if laboratory == failing:
            raise OSError("away")
        return apply(laboratory=laboratory)

    monkeypatch.setattr(retention, "apply", failed)
    apply_retention()
    done = Housekeeping.objects.get(name="retention")
    expected = {"laboratories": 2, "names": 2, "signed": 1, "unsigned": 1, "failed": 1}
    assert done.figures == expected
    entries = AuditEntry.objects.filter(laboratory_id=laboratory.pk, action="commanded")
    assert {each.subject for each in entries} == {
        "removed: names", "removed: pictures", "removed: unsigned"
    }  # fmt: skip
    apply_retention()
    again = Housekeeping.objects.get(name="retention")
    assert (again.figures["names"], again.figures["unsigned"]) == (0, 0)
    assert again.finished_at > done.finished_at
    assert entries.count() == 3, "nothing went, so nothing is told"


def test_a_name_goes_without_a_case_being_touched(patient: Patient, laboratory: Laboratory) -> None:
    cells = Cell.objects.count()
    corrections = Correction.objects.count()
    assert removing.remove_names(laboratory=laboratory, patient_ids=[patient.pk]) == 1
    patient.refresh_from_db()
    assert patient.name == ""
    assert (Cell.objects.count(), Correction.objects.count()) == (cells, corrections)


def test_rules_are_kept_and_nothing_goes_by_saving_them(
    ages: dict[str, SmearCase], administrator: User, laboratory: Laboratory
) -> None:
    client = client_of(administrator)
    before = counts()["cases.Cell"]
    answer = client.post(
        "/privacy/", {"names_days": "400", "pictures_days": "", "unsigned_days": "1"}
    )
    assert answer.status_code == 302
    rules = RetentionRules.objects.get()
    assert (rules.names_days, rules.pictures_days, rules.unsigned_days) == (400, None, 1)
    assert rules.updated_by == administrator
    assert counts()["cases.Cell"] == before
    wrong = client.post("/privacy/", {"names_days": "0", "unsigned_days": "x"})
    assert wrong.status_code == 422
    assert RetentionRules.objects.get().names_days == 400


def test_the_page_asks_little_however_much_there_is(
    ages: dict[str, SmearCase], administrator: User, laboratory: Laboratory
) -> None:
    client = client_of(administrator)
    client.get("/privacy/")
    numbers = []
    for more in (0, 12):
        for _ in range(more):
            case = SmearCaseFactory(laboratory=laboratory)
            queue_cells(case, 1)
            QuerySet(SmearCase).filter(pk=case.pk).update(updated_at=old(200))
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/privacy/").status_code == 200
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] <= 45


def test_no_page_and_no_answer_names_an_uploaded_file(patient: Patient) -> None:
    reviewer = member(patient.laboratory, "reviewer")
    case = SmearCaseFactory(laboratory=patient.laboratory, patient=patient)
    (cell, failed) = queue_cells(case, 2)
    CaseImage.objects.filter(case=case).update(original_name="Nunez_Maria.png")
    Cell.objects.filter(pk=failed.pk).update(state="failed", failure_code="undecodable")
    client = client_of(reviewer)
    for address in (
        f"/cases/{case.pk}/", f"/cells/{cell.pk}/", f"/cells/{cell.pk}/inspector/",
        f"/cases/{case.pk}/failures/", f"/api/v1/cases/{case.pk}/images/",
        f"/api/v1/images/{cell.image_id}/", f"/api/v1/cells/{cell.pk}/",
        f"/cases/{case.pk}/cells.csv", f"/cases/{case.pk}/cells.json",
    ):  # fmt: skip
        answer = client.get(address)
        assert answer.status_code == 200, address
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert b"Nunez" not in body, address
    listed = client.get(f"/api/v1/images/{cell.image_id}/").json()
    assert listed["name"] == f"image-{case.pk}-{cell.image.number}.png"
    shown = client.get(f"/images/{cell.image_id}/file/?download=1")
    assert "Nunez" not in shown["Content-Disposition"]


@pytest.mark.parametrize("what", ["cells.csv", "cells.json", "counts.csv", "counts.json"])
def test_a_pseudonymous_table_names_nobody_and_holds_the_same_numbers(
    patient: Patient, what: str
) -> None:
    case = patient.cases.latest("pk")
    QuerySet(SmearCase).filter(pk=case.pk).update(accession_number="zebra-77")
    client = client_of(member(patient.laboratory, "reviewer"))

    def taken(query: str) -> tuple[str, str]:
        answer = client.get(f"/cases/{case.pk}/{what}{query}")
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return body.decode(), answer["Content-Disposition"]

    named, name = taken("")
    assert "zebra-77" in named + name
    told, other_name = taken("?pseudonymous=1")
    reviewers = set(User.objects.values_list("username", flat=True))
    for word in ("zebra", patient.identifier, "1950-01-01", *reviewers):
        assert word not in told + other_name, word
    named_as = pseudonym("case", case.pk)
    assert named_as in told
    assert named_as in other_name
    if what.endswith(".csv"):
        assert told.count("\n") == named.count("\n") > 3
    else:
        rows = json.loads(told)["cells" if what.startswith("cells") else "classes"]
        assert len(rows) > 3
