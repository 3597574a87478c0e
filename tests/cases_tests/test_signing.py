"""Signing freezes a case as it was seen; amending opens its next version, with a reason."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from cases.models import Amendment, Cell, Role, SignOff, SmearCase
from cases.services import signing
from cases.services.cases import refresh_case_status
from cases.services.corrections import correct_cell
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from cases.services.signing import amend_case, readiness, sign_case
from cases.services.snapshots import fingerprint
from cases.services.uploads import store_images
from tests.factories import (
    PASSWORD,
    CellFactory,
    FindingFactory,
    LaboratoryFactory,
    LaboratorySettingsFactory,
    ReferenceRangeFactory,
    SmearCaseFactory,
    cell_class,
    member,
    named_cell,
    upload,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> SmearCase:
    case: SmearCase = SmearCaseFactory()
    for code in ("neutrophil", "neutrophil", "lymphocyte"):
        named_cell(case, code, model_label=cell_class(code))
    refresh_case_status(case_id=case.pk)
    return case


@pytest.fixture
def reviewer(case: SmearCase) -> Any:
    return member(case.laboratory, Role.REVIEWER, username="rita")


def sign(case: SmearCase, user: Any, **changed: Any) -> SignOff:
    return sign_case(**{"case_id": case.pk, "user": user, "password": PASSWORD, **changed})


def test_a_signature_freezes_the_case(case: SmearCase, reviewer: Any) -> None:
    row = sign(case, reviewer, comment=" Seen. ")
    case.refresh_from_db()
    assert case.status == "signed_off"
    assert (row.version, row.signed_by, row.means, row.comment) == (
        1,
        reviewer,
        "password",
        "Seen.",
    )
    cell = case.cells.first()
    assert cell is not None
    with pytest.raises(Conflict) as refused:
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    assert refused.value.code == "case_signed_off"
    with pytest.raises(Conflict):
        list(store_images(case=case, user=reviewer, files=[upload()]))
    refresh_case_status(case_id=case.pk)
    case.refresh_from_db()
    assert case.status == "signed_off"
    with pytest.raises(Conflict) as twice:
        sign(case, reviewer)
    assert twice.value.code == "case_signed_off"


def test_the_snapshot_holds_everything_and_never_changes(case: SmearCase, reviewer: Any) -> None:
    limits = ReferenceRangeFactory(laboratory=case.laboratory, percent_low=1, percent_high=2)
    FindingFactory(case=case, text="Plasma cell")
    SmearCase.objects.filter(pk=case.pk).update(analyser_wbc=8)
    corrected = case.cells.filter(label__code="lymphocyte").get()
    correct_cell(cell_id=corrected.pk, user=reviewer, to_class="monocyte")
    row = sign(case, reviewer)
    held = row.snapshot
    assert held["counts"]["leukocytes"] == 3
    by_code = {each["code"]: each for each in held["classes"]}
    neutrophil = by_code["neutrophil"]
    assert neutrophil["names"] == {"en": "Neutrophil", "es": "Neutrófilo"}
    assert neutrophil["relative"]["value"] == pytest.approx(66.67, abs=0.01)
    assert neutrophil["relative"]["ci_low"] == pytest.approx(9.43, abs=0.01)
    assert neutrophil["absolute"]["value"] == pytest.approx(8 * 2 / 3)
    assert neutrophil["range"]["percent_high"] == 2
    assert neutrophil["percent_flag"]["standing"] == "high"
    assert by_code["lymphocyte"]["before"]["count"] == 1
    assert (by_code["lymphocyte"]["count"], by_code["monocyte"]["count"]) == (0, 1)
    assert [each["text"] for each in held["findings"]] == ["Plasma cell"]
    cells = [
        dict(zip(held["cells"]["fields"], each, strict=True)) for each in held["cells"]["rows"]
    ]
    assert len(cells) == 3
    changed = next(each for each in cells if each["id"] == corrected.pk)
    assert (changed["label"], changed["model_label"], changed["label_source"]) == (
        "monocyte", "lymphocyte", "reviewer",
    )  # fmt: skip
    # Nothing that happens later reaches it, and the digest tells if anybody wrote past the model.
    limits.delete()
    amend_case(case_id=case.pk, user=reviewer, reason="Another look.")
    correct_cell(cell_id=corrected.pk, user=reviewer, to_class="blast")
    again = SignOff.objects.get(pk=row.pk)
    assert again.snapshot == held
    assert fingerprint(again.snapshot) == again.snapshot_sha256
    for change in (again.save, again.delete, SignOff.objects.all().delete):
        with pytest.raises(TypeError):
            change()


def test_what_stands_in_the_way(case: SmearCase, reviewer: Any) -> None:
    empty = SmearCaseFactory(laboratory=case.laboratory)
    assert [each.code for each in readiness(case=empty).obstacles] == ["no_cells"]
    waiting = CellFactory(case=case)
    doubtful = named_cell(case, "monocyte", review_state="needs_review")
    unknown = case.cells.filter(label__code="lymphocyte").get()
    correct_cell(cell_id=unknown.pk, user=reviewer, to_class="unidentified")
    with pytest.raises(Conflict) as refused:
        sign(case, reviewer)
    assert refused.value.code == "not_ready"
    assert [(each["code"], each["cells"]) for each in refused.value.extra["obstacles"]] == [
        ("cells_pending", 1),
        ("cells_need_review", 1),
        ("cells_unidentified", 1),
    ]
    case.refresh_from_db()
    assert case.status != "signed_off"
    Cell.objects.filter(pk=waiting.pk).update(state="failed")
    assert "cells_unnamed" in [each.code for each in readiness(case=case).obstacles]
    for cell, name in ((waiting, "artefact"), (doubtful, "monocyte"), (unknown, "lymphocyte")):
        correct_cell(cell_id=cell.pk, user=reviewer, to_class=name)
    sign(case, reviewer)


def test_a_cell_named_while_it_waits_still_waits(case: SmearCase, reviewer: Any) -> None:
    cell = CellFactory(case=case)
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    assert [each.code for each in readiness(case=case).obstacles] == ["cells_pending"]


def test_a_laboratory_may_ask_for_every_cell(case: SmearCase, reviewer: Any) -> None:
    LaboratorySettingsFactory(laboratory=case.laboratory, require_all_reviewed=True)
    obstacle = readiness(case=case).obstacles[0]
    assert (obstacle.code, obstacle.cells) == ("cells_not_reviewed", 3)
    with pytest.raises(Conflict):
        sign(case, reviewer)
    for cell in case.cells.select_related("label"):
        assert cell.label is not None
        correct_cell(cell_id=cell.pk, user=reviewer, to_class=cell.label)
    sign(case, reviewer)


def test_who_may_sign_and_how(case: SmearCase, reviewer: Any) -> None:
    wrong: list[tuple[dict[str, Any], type[ServiceError], str]] = [
        ({"password": "wrong"}, NotAllowed, "wrong_password"),
        ({"password": ""}, NotAllowed, "wrong_password"),
        ({"user": member(case.laboratory, Role.TECHNICIAN)}, NotAllowed, "not_allowed"),
        ({"user": member(LaboratoryFactory(), Role.ADMINISTRATOR)}, NotAllowed, "not_allowed"),
        ({"comment": "x" * 2001}, ServiceError, "comment_too_long"),
        ({"case_id": 2**40}, Missing, "case_not_found"),
        ({"seen": "something else"}, Conflict, "case_changed"),
    ]
    for change, kind, code in wrong:
        with pytest.raises(kind) as caught:
            sign(case, change.pop("user", reviewer), **change)
        assert caught.value.code == code
    case.refresh_from_db()
    assert (case.status, SignOff.objects.count()) == ("in_review", 0)


@pytest.mark.parametrize("change", ["correction", "finding", "white cells", "range", "rules"])
def test_nobody_signs_what_changed_meanwhile(case: SmearCase, reviewer: Any, change: str) -> None:
    seen = readiness(case=case).seen
    assert readiness(case=SmearCase.objects.get(pk=case.pk)).seen == seen
    if change == "correction":
        cell = case.cells.filter(label__code="neutrophil").first()
        assert cell is not None
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    elif change == "finding":
        FindingFactory(case=case)
    elif change == "white cells":
        SmearCase.objects.filter(pk=case.pk).update(analyser_wbc=9)
    elif change == "range":
        ReferenceRangeFactory(laboratory=case.laboratory, percent_high=10)
    else:
        LaboratorySettingsFactory(laboratory=case.laboratory)
    with pytest.raises(Conflict) as caught:
        sign(case, reviewer, seen=seen)
    assert caught.value.code == "case_changed"
    sign(case, reviewer, seen=readiness(case=SmearCase.objects.get(pk=case.pk)).seen)


def test_an_amendment_opens_the_next_version(case: SmearCase, reviewer: Any) -> None:
    with pytest.raises(Conflict) as early:
        amend_case(case_id=case.pk, user=reviewer, reason="Too early.")
    assert early.value.code == "case_not_signed"
    sign(case, reviewer)
    for reason, code in (("  ", "reason_missing"), ("x" * 2001, "reason_too_long")):
        with pytest.raises(ServiceError) as caught:
            amend_case(case_id=case.pk, user=reviewer, reason=reason)
        assert caught.value.code == code
    with pytest.raises(NotAllowed):
        amend_case(
            case_id=case.pk, user=member(case.laboratory, Role.TECHNICIAN), reason="Because."
        )
    with pytest.raises(Conflict) as stale:
        amend_case(case_id=case.pk, user=reviewer, reason="Because.", version=2)
    assert stale.value.code == "stale_version"
    row = amend_case(case_id=case.pk, user=reviewer, reason=" A cell was wrong. ", version=1)
    case.refresh_from_db()
    assert (case.status, row.reason, row.sign_off.version) == ("amended", "A cell was wrong.", 1)
    refresh_case_status(case_id=case.pk)
    case.refresh_from_db()
    assert case.status == "amended"
    cell = case.cells.filter(label__code="neutrophil").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    second = sign(case, reviewer)
    assert second.version == 2
    first = SignOff.objects.of_case(case.pk).get(version=1)
    counts = [
        {each["code"]: each["count"] for each in row.snapshot["classes"]} for row in (first, second)
    ]
    assert [each["neutrophil"] for each in counts] == [2, 1]
    with pytest.raises(Conflict) as again:
        amend_case(case_id=case.pk, user=reviewer, reason="Old.", version=1)
    assert again.value.code == "stale_version"
    assert Amendment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_signers_at_once_one_signs(case: SmearCase, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [member(case.laboratory, Role.REVIEWER) for _ in range(3)]
    all_checked = threading.Barrier(len(people), timeout=20)
    confirm = signing.confirm_identity

    def wait_for_the_others(**given: Any) -> str:
        means = confirm(**given)
        all_checked.wait()
        return means

    monkeypatch.setattr(signing, "confirm_identity", wait_for_the_others)

    def try_to_sign(user: Any) -> str:
        try:
            sign(case, user)
        except Conflict as conflict:
            return conflict.code
        finally:
            connection.close()
        return "signed"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = sorted(pool.map(try_to_sign, people))
    assert outcomes == ["case_signed_off", "case_signed_off", "signed"]
    assert SignOff.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(3))
def test_no_correction_slips_behind_a_signature(case: SmearCase, attempt: int) -> None:
    """A correction made at the same moment is either in the snapshot or refused."""
    signer, corrector = (member(case.laboratory, Role.REVIEWER) for _ in range(2))
    cell = case.cells.filter(label__code="lymphocyte").get()
    together = threading.Barrier(2, timeout=20)

    def try_to_sign() -> str:
        try:
            together.wait()
            sign(case, signer)
        except Conflict as conflict:
            return conflict.code
        finally:
            connection.close()
        return "signed"

    def try_to_correct() -> str:
        try:
            together.wait()
            correct_cell(cell_id=cell.pk, user=corrector, to_class="monocyte")
        except Conflict as conflict:
            return conflict.code
        finally:
            connection.close()
        return "corrected"

    with ThreadPoolExecutor(2) as pool:
        signed, corrected = pool.submit(try_to_sign), pool.submit(try_to_correct)
        outcomes = (signed.result(), corrected.result())
    assert outcomes[0] == "signed"
    held = SignOff.objects.get().snapshot["cells"]
    labels = {row[1]: row[3] for row in held["rows"]}
    cell.refresh_from_db()
    assert cell.label is not None
    assert labels[cell.pk] == cell.label.code
    assert (cell.label.code == "monocyte") == (outcomes[1] == "corrected")


def test_signing_costs_the_same_however_many_cells(
    case: SmearCase, reviewer: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        named_cell(case, "neutrophil")
    with django_assert_max_num_queries(27):
        sign(case, reviewer)
