"""The page the printed code leads to: for members a verdict, for anybody else nothing."""

from __future__ import annotations

import io
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
import zxingcpp
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from PIL import Image

from cases.models import Role, SignOff, SmearCase, User
from cases.services.signing import amend_case
from classifier.reports.services.contents import report_content
from classifier.reports.services.verification import DIGITS, Verdict, verify
from tests.cases_tests.pages import logged_in, text_of
from tests.conftest import missing
from tests.factories import LaboratoryFactory, member
from tests.reports_tests.conftest import name_cell, predicted
from tests.reports_tests.test_report_pdf import sign

pytestmark = pytest.mark.django_db


def verdict(case: SmearCase, version: int, digest: str) -> Verdict:
    return verify(case=case, version=version, digest=digest[:DIGITS]).verdict


def test_every_state_of_a_printed_report_is_told(reviewer: User, case: SmearCase) -> None:
    cells = predicted(case, "monocyte", "monocyte")
    draft = report_content(case=case).digest
    assert verdict(case, 0, draft) is Verdict.UNCHANGED_DRAFT
    name_cell(cells[0], reviewer, "blast")
    assert verdict(case, 0, draft) is Verdict.CHANGED_DRAFT
    sign(case, reviewer)
    first = report_content(case=case).digest
    assert verdict(case, 1, first) is Verdict.GENUINE
    assert verdict(case, 1, "0" * 64) is Verdict.UNKNOWN
    assert verdict(case, 2, first) is Verdict.UNKNOWN
    amend_case(case_id=case.pk, user=reviewer, reason="Look again.")
    case.refresh_from_db()
    assert verdict(case, 1, first) is Verdict.REOPENED
    name_cell(cells[1], reviewer, "lymphocyte")
    sign(case, reviewer)
    assert verdict(case, 1, first) is Verdict.REPLACED
    assert verdict(case, 2, report_content(case=case).digest) is Verdict.GENUINE


def test_a_record_somebody_changed_is_told(reviewer: User, case: SmearCase) -> None:
    predicted(case, "monocyte")
    sign(case, reviewer)
    digest = report_content(case=case).digest
    sign_off = SignOff.objects.get(case=case)
    changed = {**sign_off.snapshot, "findings": [{"id": 1, "text": "forged"}]}
    # Past the rules of the model, as somebody with the database would.
    QuerySet(SignOff).filter(pk=sign_off.pk).update(snapshot=changed)
    assert verdict(case, 1, digest) is Verdict.DAMAGED


def test_the_page_confirms_to_members_and_tells_others_nothing(
    reviewer: User, technician: User, case: SmearCase
) -> None:
    predicted(case, "monocyte")
    sign(case, reviewer)
    digest = report_content(case=case).digest
    address = reverse("report_verify", args=[case.pk, 1, digest[:DIGITS]])
    page = text_of(logged_in(technician).get(address))
    for expected in ("Genuine", "Rita Gil", digest, "26-000123"):
        assert expected in page
    outsider = member(LaboratoryFactory(), Role.ADMINISTRATOR)
    refused = logged_in(outsider).get(address)
    assert refused.status_code == 404
    assert "26-000123" not in text_of(refused)
    assert Client().get(address)["Location"] == f"/login/?next={address}"
    assert "Not genuine" in text_of(logged_in(technician).get(address.replace(digest[:4], "ffff")))


@pytest.mark.parametrize("dots_per_inch", [100, 300])
def test_the_printed_code_is_read_back_and_leads_to_the_verdict(
    reviewer: User, case: SmearCase, dots_per_inch: int
) -> None:
    if shutil.which("pdftoppm") is None:
        missing("pdftoppm (poppler-utils) is not installed.")
    predicted(case, "monocyte")
    sign(case, reviewer)
    reader = logged_in(reviewer)
    report = reader.get(reverse("case_report_file", args=[case.pk])).content
    drawn = subprocess.run(
        ["pdftoppm", "-png", "-f", "1", "-l", "1", "-r", str(dots_per_inch)],
        input=report,
        capture_output=True,
        check=True,
    )
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(drawn.stdout)))
    assert code.format is zxingcpp.BarcodeFormat.QRCode
    address = urlsplit(code.text)
    assert (address.scheme, address.netloc) == ("http", "testserver")
    assert report_content(case=case).digest[:DIGITS] in address.path
    assert "Genuine" in text_of(reader.get(address.path))
