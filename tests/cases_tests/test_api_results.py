"""Results, signatures, amendments, findings and ranges through the API."""

from __future__ import annotations

from typing import Any

import pytest

from cases.models import Laboratory, Role, SmearCase
from cases.services.snapshots import fingerprint
from tests.cases_tests.api_client import API, assert_problem, client_of
from tests.factories import PASSWORD, cell_class, member, named_cell

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(case: SmearCase) -> SmearCase:
    for code in ("neutrophil", "neutrophil", "monocyte"):
        named_cell(case, code, model_label=cell_class(code))
    return case


def test_the_road_from_result_to_second_version(client: Any, read: SmearCase) -> None:
    at = f"{API}/cases/{read.pk}"
    assert client.put(f"{at}/white-cells/", {"analyser_wbc": "6.3"}).json() == {
        "analyser_wbc": "6.300"
    }
    for wrong in ("0", "-3", "10000", "x", "NaN", "1.2345"):
        assert_problem(client.put(f"{at}/white-cells/", {"analyser_wbc": wrong}), 400, "invalid")
    result = client.get(f"{at}/result/").json()
    neutrophil = next(each for each in result["classes"] if each["code"] == "neutrophil")
    assert neutrophil["relative"]["value"] == pytest.approx(66.67, abs=0.01)
    assert neutrophil["absolute"]["value"] == pytest.approx(4.2)
    assert "cells" not in result
    state = client.get(f"{at}/readiness/").json()
    assert (state["ready"], state["version"], state["obstacles"]) == (True, 1, [])

    sent = {"password": PASSWORD, "seen": state["seen"], "comment": "Seen."}
    assert_problem(
        client.post(f"{at}/sign-offs/", {**sent, "password": "x"}), 403, "wrong_password"
    )
    assert_problem(client.post(f"{at}/sign-offs/", {"seen": "x"}), 400, "invalid")
    assert_problem(client.post(f"{at}/sign-offs/", {**sent, "seen": "x"}), 409, "case_changed")
    signed = client.post(f"{at}/sign-offs/", sent)
    assert signed.status_code == 201
    assert PASSWORD not in signed.content.decode()
    body = signed.json()
    assert (body["version"], body["signed_by"], body["comment"], body["amended"]) == (
        1, "rita", "Seen.", False,
    )  # fmt: skip
    assert_problem(client.post(f"{at}/sign-offs/", sent), 409, "case_signed_off")
    detail = client.get(f"{API}/sign-offs/{body['id']}/").json()
    assert fingerprint(detail["snapshot"]) == detail["snapshot_sha256"]
    assert len(detail["snapshot"]["cells"]["rows"]) == 3

    assert_problem(client.post(f"{at}/amendments/", {"reason": ""}), 400, "invalid")
    assert_problem(
        client.post(f"{at}/amendments/", {"reason": "Why.", "version": 4}), 409, "stale_version"
    )
    amended = client.post(f"{at}/amendments/", {"reason": "Why.", "version": 1})
    assert (amended.status_code, amended.json()["version"]) == (201, 1)
    assert_problem(client.post(f"{at}/amendments/", {"reason": "Why."}), 409, "case_not_signed")
    assert client.post(f"{at}/sign-offs/", {"password": PASSWORD}).json()["version"] == 2
    listed = client.get(f"{at}/sign-offs/").json()["results"]
    assert [(each["version"], each["amended"]) for each in listed] == [(2, False), (1, True)]
    assert "snapshot" not in listed[0]
    assert [each["reason"] for each in client.get(f"{at}/amendments/").json()["results"]] == [
        "Why."
    ]


def test_what_is_left_to_do_is_told(client: Any, read: SmearCase) -> None:
    named_cell(read, "monocyte", review_state="needs_review")
    answer = client.post(f"{API}/cases/{read.pk}/sign-offs/", {"password": PASSWORD})
    body = assert_problem(answer, 409, "not_ready")
    assert [(each["code"], each["cells"]) for each in body["obstacles"]] == [
        ("cells_need_review", 1)
    ]


def test_findings(client: Any, read: SmearCase) -> None:
    at = f"{API}/cases/{read.pk}/findings/"
    before = client.get(f"{API}/cases/{read.pk}/counts/").json()
    for wrong in ({}, {"cell_class": "dragon"}, {"text": "x", "cell": 999}):
        assert_problem(client.post(at, wrong), 400, "invalid")
    made = client.post(at, {"cell_class": "blast", "text": "One, at the edge"})
    assert made.status_code == 201
    assert client.get(f"{API}/cases/{read.pk}/counts/").json() == before
    key = made.json()["id"]
    withdrawn = client.post(f"{API}/findings/{key}/withdraw/")
    assert withdrawn.json()["withdrawn_by"] == "rita"
    assert_problem(client.post(f"{API}/findings/{key}/withdraw/"), 409, "finding_withdrawn")
    assert [each["id"] for each in client.get(at).json()["results"]] == [key]
    SmearCase.objects.filter(pk=read.pk).update(status="signed_off")
    assert_problem(client.post(at, {"text": "Too late"}), 409, "case_signed_off")


def test_rules_and_ranges(laboratory: Laboratory) -> None:
    client = client_of(member(laboratory, Role.ADMINISTRATOR))
    at = f"{API}/laboratories/{laboratory.pk}"
    assert client.get(f"{at}/settings/").json()["nrbc_threshold"] == "5.0"
    rules = {"nrbc_threshold": "8", "require_all_reviewed": True, "analyser_excludes_nrbc": False}
    assert client.put(f"{at}/settings/", rules).json()["require_all_reviewed"] is True
    assert_problem(client.put(f"{at}/settings/", {"nrbc_threshold": "8"}), 400, "invalid")
    assert_problem(client.put(f"{at}/settings/", {**rules, "nrbc_threshold": -1}), 400, "invalid")
    sent = {"cell_class": "neutrophil", "percent_low": "40", "percent_high": "75"}
    made = client.post(f"{at}/ranges/", sent)
    assert made.status_code == 201
    assert made.json()["age_from"] is None
    body = assert_problem(client.post(f"{at}/ranges/", sent), 400, "invalid")
    assert "covers some of the same patients" in body["errors"]["age_from"][0]
    for wrong in (
        {"cell_class": "dragon"}, {"percent_low": "80"}, {"sex": "x"}, {"age_from": -1},
        {"percent_high": "NaN"}, {"age_from": 3, "age_to": 3},
    ):  # fmt: skip
        assert_problem(client.post(f"{at}/ranges/", {**sent, **wrong}), 400, "invalid")
    one = f"{at}/ranges/{made.json()['id']}/"
    assert client.put(one, {**sent, "percent_high": "70"}).json()["percent_high"] == "70.00"
    assert len(client.get(f"{at}/ranges/").json()["results"]) == 1
    assert client.delete(one).status_code == 204
    assert_problem(client.delete(one), 404, "range_not_found")
