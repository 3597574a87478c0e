"""Two blinded readings: the rules from the request to the case's final differential."""

from __future__ import annotations

from typing import Any

import pytest

from cases.models import (
    Adjudication,
    Cell,
    Correction,
    DoubleReading,
    Laboratory,
    Reading,
    ReadingCell,
    ReadingLabel,
    Role,
    SmearCase,
    User,
)
from cases.policies import AccessPolicy
from cases.services.adjudication import decide_cell, finish_adjudication
from cases.services.comparison import compare_readings, paired_labels
from cases.services.corrections import correct_cell
from cases.services.counts import case_counts
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from cases.services.readings import (
    finish_reading,
    name_cell,
    possible_readers,
    request_double_reading,
    withdraw,
)
from cases.services.signing import readiness
from classifier.policies import predictions_of
from tests.factories import CellFactory, LaboratoryFactory, SmearCaseFactory, member, named_cell
from tests.reading_rows import asked_for, case_to_read, cells_of, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(laboratory: Laboratory) -> dict[str, User]:
    """Who asks (and later adjudicates), the two readers and a bystander."""
    roles = {"asks": Role.ADMINISTRATOR, "first": Role.REVIEWER, "second": Role.ADMINISTRATOR}
    return {
        name: member(laboratory, roles.get(name, Role.REVIEWER), username=name)
        for name in ("asks", "first", "second", "bystander")
    }


@pytest.fixture
def asked(case: SmearCase, people: dict[str, User]) -> DoubleReading:
    case_to_read(case)
    return asked_for(case, people["asks"], (people["first"], people["second"]))


def reading(asked: DoubleReading, number: int) -> Reading:
    return asked.readings.get(number=number)


# --- which cells ---------------------------------------------------------------------------------
def test_two_hundred_candidates_are_drawn_and_the_seed_draws_them_again(
    case: SmearCase, people: dict[str, User]
) -> None:
    case_to_read(case, 230)
    first = asked_for(case, people["asks"], (people["first"], people["second"]))
    drawn = list(first.cells.values_list("cell_id", "first_position", "second_position"))
    assert len(drawn) == 200
    assert {row[1] for row in drawn} == {row[2] for row in drawn} == set(range(1, 201))
    assert [row[1] for row in drawn] != [row[2] for row in drawn]
    assert [row[0] for row in drawn] != sorted(row[0] for row in drawn)
    withdraw(double_reading_id=first.pk, user=people["asks"])
    others = [member(case.laboratory, Role.REVIEWER) for _ in range(2)]
    again = asked_for(case, people["asks"], (others[0], others[1]))
    assert drawn == list(again.cells.values_list("cell_id", "first_position", "second_position"))


def test_sure_platelets_and_red_cells_are_no_candidates(case: SmearCase) -> None:
    wanted = {
        named_cell(case, "neutrophil").pk,
        named_cell(case, "blast", label_source="reviewer").pk,
        named_cell(case, "platelet", confidence=0.4, review_state="needs_review").pk,
        CellFactory(case=case, state="failed").pk,
    }
    named_cell(case, "platelet")
    named_cell(case, "erythroblast")
    candidates = Cell.objects.of_case(case.pk).leukocyte_candidates()
    assert set(candidates.values_list("pk", flat=True)) == wanted


# --- who may ask and read ------------------------------------------------------------------------
def test_whoever_knows_the_case_cannot_read_it_blind(
    case: SmearCase, people: dict[str, User], technician: User
) -> None:
    case_to_read(case)
    cell = case.cells.first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=people["bystander"], to_class="neutrophil")
    possible = possible_readers(case=case, requested_by=people["asks"])
    assert possible == [people["first"], people["second"]]
    elsewhere = member(LaboratoryFactory(), Role.REVIEWER)
    for wrong in (people["asks"], people["bystander"], technician, elsewhere):
        with pytest.raises(ServiceError) as caught:
            asked_for(case, people["asks"], (people["first"], wrong))
        assert caught.value.code == "reader_not_possible"
    with pytest.raises(ServiceError) as caught:
        asked_for(case, people["asks"], (people["first"], people["first"]))
    assert caught.value.code == "two_readers_needed"
    with pytest.raises(NotAllowed):
        asked_for(case, technician, (people["first"], people["second"]))
    assert not DoubleReading.objects.exists()


def test_who_read_a_withdrawn_request_does_not_read_again(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    withdraw(double_reading_id=asked.pk, user=people["asks"])
    assert AccessPolicy(people["first"]).cases().count() == 1
    assert possible_readers(case=asked.case, requested_by=people["asks"]) == [people["bystander"]]


def test_a_case_that_is_not_ready_is_not_read(case: SmearCase, people: dict[str, User]) -> None:
    readers = (people["first"], people["second"])
    named_cell(case, "platelet")
    with pytest.raises(ServiceError) as caught:
        asked_for(case, people["asks"], readers)
    assert caught.value.code == "nothing_to_read"
    CellFactory(case=case)
    with pytest.raises(Conflict, match="cells_pending"):
        asked_for(case, people["asks"], readers)
    Cell.objects.update(state="done")
    asked_for(case, people["asks"], readers)
    others = [member(case.laboratory, Role.REVIEWER) for _ in range(2)]
    with pytest.raises(Conflict, match="double_reading_under_way"):
        asked_for(case, people["asks"], (others[0], others[1]))
    signed = case_to_read(SmearCaseFactory(laboratory=case.laboratory))
    SmearCase.objects.filter(pk=signed.pk).update(status="signed_off")
    with pytest.raises(Conflict, match="case_signed_off"):
        asked_for(signed, people["asks"], readers)
    with pytest.raises(Missing):
        request_double_reading(case_id=10**9, user=people["asks"], reader_ids=[1, 2])


# --- blinded -------------------------------------------------------------------------------------
def everything_of(user: User) -> list[Any]:
    policy = AccessPolicy(user)
    return [
        policy.cases(), policy.images(), policy.cells(), policy.corrections(), policy.findings(),
        policy.sign_offs(), policy.amendments(), policy.assignments(), policy.double_readings(),
        predictions_of(policy),
    ]  # fmt: skip


def test_the_case_is_out_of_both_readers_sight_until_both_are_done(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    cell = asked.case.cells.first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=people["bystander"], to_class="blast")
    other = case_to_read(SmearCaseFactory(laboratory=asked.case.laboratory))
    for name in ("first", "second"):
        assert [rows.count() for rows in everything_of(people[name])] == [1, 4, 4] + [0] * 7
        assert AccessPolicy(people[name]).cases().get() == other
    assert AccessPolicy(people["bystander"]).cases().count() == 2
    read(reading(asked, 1))
    assert AccessPolicy(people["first"]).cases().count() == 1
    read(reading(asked, 2))
    for name in ("first", "second"):
        assert [rows.count() for rows in everything_of(people[name])][:4] == [2, 8, 8, 1]


def test_a_reader_reaches_only_their_own_reading(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    assert AccessPolicy(people["first"]).readings().get() == reading(asked, 1)
    assert not AccessPolicy(people["bystander"]).readings().exists()
    for person in ("second", "bystander", "asks"):
        with pytest.raises(Missing, match="reading_not_found"):
            name_cell(
                reading_id=reading(asked, 1).pk,
                user=people[person],
                position=1,
                label="neutrophil",
            )


def test_a_reader_cannot_withdraw_to_see_the_case(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    for person in ("second", "bystander"):  # the second reader is an administrator
        with pytest.raises(NotAllowed):
            withdraw(double_reading_id=asked.pk, user=people[person])


# --- reading -------------------------------------------------------------------------------------
def test_the_latest_label_counts_and_all_are_kept(asked: DoubleReading) -> None:
    mine = reading(asked, 1)
    for label in ("neutrophil", "blast"):
        name_cell(reading_id=mine.pk, user=mine.reader, position=1, label=label)
    assert ReadingLabel.objects.count() == 2
    assert [each.label.code for each in ReadingLabel.objects.that_count([mine.pk])] == ["blast"]
    with pytest.raises(TypeError):
        ReadingLabel.objects.update(label=None)
    with pytest.raises(TypeError):
        ReadingLabel.objects.all()[0].save()
    # A reading is no correction: the case is as the model left it.
    assert not Correction.objects.exists()
    assert not Cell.objects.filter(label_source="reviewer").exists()


def test_a_reading_is_finished_whole_and_once(asked: DoubleReading) -> None:
    mine = reading(asked, 1)
    read(mine, finish=False)
    last = cells_of(reading(asked, 2))[-1]
    assert mine.labels.filter(reading_cell=last).exists()
    other = reading(asked, 2)
    name_cell(reading_id=other.pk, user=other.reader, position=1, label="blast")
    with pytest.raises(Conflict, match="cells_unnamed") as caught:
        finish_reading(reading_id=other.pk, user=other.reader)
    assert caught.value.extra == {"left": 3}
    finish_reading(reading_id=mine.pk, user=mine.reader)
    for again in (
        lambda: finish_reading(reading_id=mine.pk, user=mine.reader),
        lambda: name_cell(reading_id=mine.pk, user=mine.reader, position=1, label="blast"),
    ):
        with pytest.raises(Conflict, match="reading_closed"):
            again()
    with pytest.raises(Missing, match="cell_not_found"):
        name_cell(reading_id=other.pk, user=other.reader, position=5, label="blast")
    with pytest.raises(ServiceError, match="unknown_class"):
        name_cell(reading_id=other.pk, user=other.reader, position=1, label="basket")


# --- comparing -----------------------------------------------------------------------------------
def test_nothing_is_compared_before_both_are_done(asked: DoubleReading) -> None:
    read(reading(asked, 1))
    with pytest.raises(Conflict, match="readings_open"):
        paired_labels(asked)


def test_two_readings_are_compared_class_by_class(case: SmearCase, people: dict[str, User]) -> None:
    case_to_read(case, 40)
    asked = asked_for(case, people["asks"], (people["first"], people["second"]))
    monocytes = [each.pk for each in case.cells.filter(label__code="monocyte")]
    read(reading(asked, 1))
    read(reading(asked, 2), dict.fromkeys(monocytes, "lymphocyte") | {monocytes[0]: "smudge"})
    found = compare_readings(paired_labels(asked))
    assert (found.cells, found.agreed, found.leukocytes) == (40, 30, (40, 39))
    assert found.limited
    by_class = {each.cell_class.code: each for each in found.classes}
    monocyte = by_class["monocyte"]
    assert (monocyte.first, monocyte.second, monocyte.both) == (10, 0, 0)
    assert monocyte.p == pytest.approx(2 * 0.5**10)
    assert monocyte.differs
    assert monocyte.shares is not None
    assert monocyte.shares.is_allowed is False
    assert monocyte.mean_percent is None
    neutrophil = by_class["neutrophil"]
    assert neutrophil.mean_percent == pytest.approx(50 * (10 / 40 + 10 / 39))
    assert by_class["smudge"].shares is None
    assert not found.within_limits
    assert found.differ
    assert found.kappa.value == pytest.approx((0.75 - 0.2475) / (1 - 0.2475), abs=0.02)


# --- the third reader ----------------------------------------------------------------------------
@pytest.fixture
def disputed(asked: DoubleReading) -> ReadingCell:
    """Both are done; they differ on this one cell, which the model called a neutrophil."""
    cell = asked.cells.get(cell__label__code="neutrophil")
    read(reading(asked, 1), {cell.cell_id: "ig"})
    read(reading(asked, 2), {cell.cell_id: "monocyte"})
    asked.refresh_from_db()
    assert asked.state == "adjudication"
    return cell


def test_a_third_decides_and_the_case_says_what_the_readings_say(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User]
) -> None:
    key = {"double_reading_id": asked.pk, "user": people["asks"]}
    with pytest.raises(Conflict, match="cells_in_dispute") as caught:
        finish_adjudication(**key)
    assert caught.value.extra == {"left": 1}
    decide_cell(**key, reading_cell_id=disputed.pk, label="blast")
    decided = decide_cell(**key, reading_cell_id=disputed.pk, label="ig")
    assert Adjudication.objects.count() == 2
    assert decided.correction.to_class.code == "ig"
    assert "Immature granulocyte and Monocyte" in decided.correction.comment
    finish_adjudication(**key)
    asked.refresh_from_db()
    assert (asked.state, asked.adjudicator) == ("finished", people["asks"])
    counts = {each.code: each.count for each in case_counts(case=asked.case).classes}
    assert counts == dict.fromkeys(counts, 0) | {
        "ig": 1, "lymphocyte": 1, "monocyte": 1, "eosinophil": 1
    }  # fmt: skip
    assert set(asked.case.cells.values_list("label_source", flat=True)) == {"reviewer"}
    assert Correction.objects.count() == 5
    for again in (
        lambda: finish_adjudication(**key),
        lambda: decide_cell(**key, reading_cell_id=disputed.pk, label="ig"),
        lambda: withdraw(double_reading_id=asked.pk, user=people["asks"]),
    ):
        with pytest.raises(Conflict, match="double_reading_closed"):
            again()


def test_the_two_readers_do_not_adjudicate(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User], technician: User
) -> None:
    for person in (people["first"], people["second"], technician):
        with pytest.raises(NotAllowed):
            decide_cell(
                double_reading_id=asked.pk,
                user=person,
                reading_cell_id=disputed.pk,
                label="ig",
            )
        with pytest.raises(NotAllowed):
            finish_adjudication(double_reading_id=asked.pk, user=person)
    assert not Correction.objects.exists()


def test_one_third_reader_decides_all(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User]
) -> None:
    key = {"double_reading_id": asked.pk, "reading_cell_id": disputed.pk, "label": "ig"}
    decide_cell(**key, user=people["asks"])
    with pytest.raises(Conflict, match="other_adjudicator"):
        decide_cell(**key, user=people["bystander"])
    assert Correction.objects.count() == 1


def test_only_cells_in_dispute_are_decided(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User]
) -> None:
    agreed = asked.cells.exclude(pk=disputed.pk)[0]
    key = {"double_reading_id": asked.pk, "user": people["asks"], "label": "ig"}
    with pytest.raises(Conflict, match="not_in_dispute"):
        decide_cell(**key, reading_cell_id=agreed.pk)
    with pytest.raises(Missing):
        decide_cell(**key, reading_cell_id=10**9)


def test_nobody_adjudicates_before_both_are_done(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    read(reading(asked, 1))
    with pytest.raises(Conflict, match="readings_open"):
        finish_adjudication(double_reading_id=asked.pk, user=people["asks"])


def test_a_case_is_not_signed_before_its_readings_are_decided(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User]
) -> None:
    def obstacles() -> list[str]:
        return [each.code for each in readiness(case=asked.case).obstacles]

    key = {"double_reading_id": asked.pk, "user": people["asks"]}
    assert obstacles() == ["double_reading_under_way"]
    decide_cell(**key, reading_cell_id=disputed.pk, label="ig")
    assert obstacles() == ["double_reading_under_way"]
    finish_adjudication(**key)
    assert obstacles() == []


def test_a_decision_that_is_refused_leaves_nothing(
    asked: DoubleReading, disputed: ReadingCell, people: dict[str, User]
) -> None:
    SmearCase.objects.update(status="signed_off")
    with pytest.raises(Conflict, match="case_signed_off"):
        decide_cell(
            double_reading_id=asked.pk,
            user=people["asks"],
            reading_cell_id=disputed.pk,
            label="ig",
        )
    asked.refresh_from_db()
    assert asked.adjudicator is None
    assert not Adjudication.objects.exists()
