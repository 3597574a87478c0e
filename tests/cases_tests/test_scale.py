"""The scale of a case's fields: given, or by the magnification with the laboratory's camera."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from cases.models import Laboratory, LaboratorySettings, Role, SmearCase
from cases.services.cases import pixel_scale
from cases.services.errors import ServiceError
from tests.cases_tests.api_client import client_of
from tests.factories import LaboratorySettingsFactory, PatientFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def camera(laboratory: Laboratory) -> LaboratorySettings:
    rules: LaboratorySettings = LaboratorySettingsFactory(
        laboratory=laboratory, camera_pixel_size=Decimal("3.45")
    )
    return rules


def opened(laboratory: Laboratory, **values: Any) -> Any:
    api = client_of(member(laboratory, Role.TECHNICIAN))
    patient = PatientFactory(laboratory=laboratory)
    body = {"patient": patient.pk, "accession_number": f"S-{patient.pk}", **values}
    return api.post("/api/v1/cases/", body, format="json")


@pytest.mark.parametrize(
    ("times", "scale"), [("100", "0.0345"), ("50", "0.0690"), ("63", "0.0548"), ("40", "0.0862")]
)
def test_a_camera_pixel_over_the_magnification_is_its_side_on_the_slide(
    laboratory: Laboratory, camera: LaboratorySettings, times: str, scale: str
) -> None:
    answer = opened(laboratory, magnification=times)
    assert answer.status_code == 201, answer.content
    assert answer.json()["micrometres_per_pixel"] == scale
    assert Decimal(answer.json()["magnification"]) == Decimal(times)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"magnification": "100", "micrometres_per_pixel": "0.05"}, "not both"),
        ({"magnification": "2", "accession_number": "A"}, None),
        ({"magnification": "0.5"}, "1"),
        ({"magnification": "400"}, "250"),
        ({"magnification": "oil"}, "number"),
    ],
)
def test_what_is_no_magnification_is_told(
    laboratory: Laboratory, camera: LaboratorySettings, values: dict[str, Any], says: str | None
) -> None:
    answer = opened(laboratory, **values)
    if says is None:
        assert answer.json()["micrometres_per_pixel"] == "1.7250"
        return
    assert answer.status_code == 400
    assert says in str(answer.json()["errors"]["magnification"])
    assert not SmearCase.objects.exists()


def test_without_a_camera_the_way_out_is_told_in_both_languages(laboratory: Laboratory) -> None:
    assert "administrator" in str(opened(laboratory, magnification="100").json()["errors"])
    camera = LaboratorySettingsFactory(laboratory=laboratory, camera_pixel_size=Decimal(30))
    with pytest.raises(ServiceError, match="invalid") as caught:
        pixel_scale(laboratory_id=camera.laboratory_id, magnification=Decimal(1))
    assert "no scale" in str(caught.value.extra["errors"]["magnification"][0])


def test_a_later_camera_leaves_opened_cases_as_they_are(
    laboratory: Laboratory, camera: LaboratorySettings
) -> None:
    opened(laboratory, magnification="100")
    api = client_of(member(laboratory, Role.ADMINISTRATOR))
    address = f"/api/v1/laboratories/{laboratory.pk}/settings/"
    rules = api.get(address).json()
    answer = api.put(address, {**rules, "camera_pixel_size": "6.5"}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["camera_pixel_size"] == "6.500"
    assert SmearCase.objects.get().micrometres_per_pixel == Decimal("0.0345")
    assert opened(laboratory, magnification="100").json()["micrometres_per_pixel"] == "0.0650"
    assert api.put(
        address, {**rules, "camera_pixel_size": "0.1"}, format="json"
    ).status_code == 400  # fmt: skip


@pytest.mark.parametrize(
    ("language", "typed", "shown"),
    [
        ("en", "62.5", "0.0552 µm per pixel (magnification 62.5 ×)"),
        ("es", "62,5", "0,0552 µm por píxel (aumento 62,5 ×)"),
    ],
)
def test_the_page_takes_and_shows_it(
    laboratory: Laboratory, camera: LaboratorySettings, language: str, typed: str, shown: str
) -> None:
    client = Client(headers={"accept-language": language})
    client.force_login(member(laboratory, Role.TECHNICIAN))
    page = client.post(
        "/cases/new/",
        {
            "laboratory": laboratory.pk, "patient_mode": "new", "identifier": "P-1",
            "sex": "unknown", "accession_number": "S-1", "magnification": typed,
        },
    )  # fmt: skip
    assert page.status_code == 302, page.content.decode()
    case = SmearCase.objects.get()
    for address in (f"/cases/{case.pk}/", f"/cases/{case.pk}/fields/"):
        text = " ".join(client.get(address).content.decode().split())
        assert shown in text, text[text.find("facts") : text.find("facts") + 900]
