"""A case as FHIR: valid, coded as the sources say, in the state the signature gives it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from fhir.resources.R4B.bundle import Bundle

from cases.models import ReferenceRange, SmearCase, User
from cases.services.findings import add_finding, set_analyser_wbc
from cases.services.signing import amend_case
from tests.cases_tests.api_client import assert_problem, client_of
from tests.cases_tests.pages import logged_in
from tests.factories import cell_class
from tests.reports_tests.conftest import name_cell, predicted
from tests.reports_tests.test_report_pdf import sign

pytestmark = pytest.mark.django_db

PER_HUNDRED = {
    "26511-6", "26450-7", "30180-4", "26478-8", "26485-3", "38518-7", "19048-8"
}  # fmt: skip
PER_VOLUME = {"26499-4", "26449-9", "26444-0", "26474-7", "26484-6", "51584-1"}


def bundle_of(user: User, case: SmearCase, **query: Any) -> dict[str, Any]:
    answer = logged_in(user).get(reverse("case_fhir_file", args=[case.pk]), query)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/fhir+json")
    content: dict[str, Any] = json.loads(answer.content)
    Bundle.model_validate(content)
    return content


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [each for each in found if each["resourceType"] == kind]


def by_code(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Observations by their LOINC code, those without by their words."""
    return {
        each["code"].get("coding", [{"code": each["code"]["text"]}])[0]["code"]: each
        for each in resources(bundle, "Observation")
    }


def test_a_preliminary_bundle(reviewer: User, case: SmearCase) -> None:
    predicted(case, *["neutrophil"] * 3, "eosinophil", "erythroblast", "platelet")
    bundle = bundle_of(reviewer, case, language="en")
    assert bundle["type"] == "collection"
    (report,) = resources(bundle, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["code"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "24318-8",
        "display": "Manual Differential panel - Blood",
    }
    assert "resultsInterpreter" not in report
    assert "no class for blasts" in report["text"]["div"]
    (patient,) = resources(bundle, "Patient")
    assert patient["identifier"][0]["value"] == "HC-77"
    assert (patient["gender"], patient["birthDate"]) == ("female", "1961-04-09")
    (specimen,) = resources(bundle, "Specimen")
    assert specimen["accessionIdentifier"]["value"] == "26-000123"

    found = by_code(bundle)
    assert found.keys() == PER_HUNDRED | {"Platelet: cells seen on the images"}
    eosinophils = found["26450-7"]
    assert eosinophils["status"] == "preliminary"
    assert eosinophils["valueQuantity"] == {
        "value": 25.0, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"
    }  # fmt: skip
    interval, count, leukocytes = eosinophils["component"]
    assert interval["valueRange"]["low"]["value"] == pytest.approx(0.6309, abs=1e-4)
    assert interval["valueRange"]["high"]["value"] == pytest.approx(80.588, abs=1e-3)
    assert (count["valueInteger"], leukocytes["valueInteger"]) == (1, 4)
    assert "Limited: 4 leukocytes" in eosinophils["note"][0]["text"]
    nucleated = found["19048-8"]["valueQuantity"]
    assert (nucleated["value"], nucleated["code"]) == (25.0, "/100{WBCs}")
    assert found["Platelet: cells seen on the images"]["valueInteger"] == 1
    # Every reference leads to an entry of the bundle.
    places = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(places) == len(bundle["entry"])
    assert {each["reference"] for each in report["result"]} < places
    assert {each["subject"]["reference"] for each in found.values()} < places


def test_a_signed_bundle_is_final_then_amended(reviewer: User, case: SmearCase) -> None:
    cells = predicted(case, *["neutrophil"] * 20, *["erythroblast"] * 4, "ig")
    name_cell(cells[0], reviewer, "blast")
    for code, low, high in (("neutrophil", 40, 75), ("ig", 0, 0)):
        ReferenceRange.objects.create(
            laboratory=case.laboratory,
            cell_class=cell_class(code),
            percent_low=low,
            percent_high=high,
        )
    number = cells[0].image.number
    add_finding(
        case=case, user=reviewer, cell_class="blast", text="One, at the edge", image_number=number
    )
    set_analyser_wbc(case=case, user=reviewer, value=Decimal(12))
    case.refresh_from_db()
    sign(case, reviewer, "Repeat in a week.")
    bundle = bundle_of(reviewer, case, language="es")
    (report,) = resources(bundle, "DiagnosticReport")
    assert (report["status"], report["conclusion"]) == ("final", "Repeat in a week.")
    assert report["resultsInterpreter"] == [{"display": "Rita Gil"}]
    found = by_code(bundle)
    assert found.keys() >= PER_HUNDRED | PER_VOLUME
    # 4 erythroblasts per 20 leukocytes: the analyser's 12 is corrected to 10.
    assert found["12227-5"]["valueQuantity"]["value"] == 10.0
    assert found["12227-5"]["component"][0]["valueQuantity"]["value"] == 12.0
    assert found["26499-4"]["valueQuantity"] | {} == {
        "value": 9.5, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"
    }  # fmt: skip
    neutrophils = found["26511-6"]
    assert neutrophils["code"]["text"] == "Neutrófilo"
    assert neutrophils["interpretation"][0]["coding"][0]["code"] == "H"
    assert neutrophils["referenceRange"][0]["high"]["value"] == 75
    assert found["38518-7"]["interpretation"][0]["coding"][0]["code"] == "A"
    # Blasts stand beside the differential: no code of a share may be put on their number.
    assert found["Blasto: células vistas en las imágenes"]["valueInteger"] == 1
    assert (
        found["Hallazgo fuera del recuento"]["valueString"]
        == f"Blasto · One, at the edge · imagen {number}"
    )

    amend_case(case_id=case.pk, user=reviewer, reason="Wrong <tube> & name")
    case.refresh_from_db()
    assert resources(bundle_of(reviewer, case), "DiagnosticReport")[0]["status"] == "preliminary"
    old = bundle_of(reviewer, case, language="es", version=1)
    (replaced,) = resources(old, "DiagnosticReport")
    assert replaced["status"] == "final"
    assert "se enmendó después de firmarse" in replaced["text"]["div"]
    assert "se enmendó" not in report["text"]["div"]
    sign(case, reviewer)
    amended = bundle_of(reviewer, case, language="en")
    (report,) = resources(amended, "DiagnosticReport")
    assert report["status"] == "amended"
    assert "Wrong &lt;tube&gt; &amp; name" in report["text"]["div"]
    assert {each["status"] for each in resources(amended, "Observation")} == {"amended"}


def test_an_analyser_s_count_below_the_threshold_is_not_corrected(
    reviewer: User, case: SmearCase
) -> None:
    predicted(case, "neutrophil", "lymphocyte")
    set_analyser_wbc(case=case, user=reviewer, value=Decimal("7.25"))
    found = by_code(bundle_of(reviewer, case))
    assert found["26464-8"]["valueQuantity"]["value"] == 7.25
    assert "12227-5" not in found


def test_a_blast_that_is_never_normal_is_flagged(reviewer: User, case: SmearCase) -> None:
    cells = predicted(case, "neutrophil", "monocyte")
    name_cell(cells[1], reviewer, "blast")
    ReferenceRange.objects.create(
        laboratory=case.laboratory, cell_class=cell_class("blast"), percent_high=0
    )
    blast = by_code(bundle_of(reviewer, case, language="en"))["Blast: cells seen on the images"]
    assert blast["valueInteger"] == 1
    assert blast["interpretation"][0]["coding"][0]["code"] == "A"
    assert "referenceRange" not in blast


def test_without_leukocytes_values_are_said_to_be_absent(reviewer: User, case: SmearCase) -> None:
    bundle = bundle_of(reviewer, case)
    neutrophils = by_code(bundle)["26511-6"]
    assert "valueQuantity" not in neutrophils
    assert neutrophils["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_the_api_gives_the_same(reviewer: User, case: SmearCase) -> None:
    predicted(case, "monocyte")
    client = client_of(reviewer)
    answer = client.get(f"/api/v1/cases/{case.pk}/fhir/?language=es")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/fhir+json; fhirVersion=4.0"
    Bundle.model_validate(json.loads(answer.content))
    assert_problem(client.get(f"/api/v1/cases/{case.pk}/fhir/?language=fr"), 400, "invalid")
    assert_problem(client.get(f"/api/v1/cases/{case.pk}/fhir/?version=7"), 404, "no_such_version")
    pdf = client.get(f"/api/v1/cases/{case.pk}/report/")
    assert (pdf["Content-Type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
