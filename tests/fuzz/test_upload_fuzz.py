"""Uploads nobody thought of: each is answered, and rows and files stay one to one."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cases.models import CaseImage, Cell, Role
from tests.cases_tests.api_client import client_of, send
from tests.cases_tests.test_uploads import stored_files
from tests.factories import SmearCaseFactory, member, picture_bytes

pytestmark = [pytest.mark.fuzz, pytest.mark.django_db, pytest.mark.timeout(300)]

BOUNDED = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
WHOLE = {
    each: picture_bytes(each, size=(20, 16)) for each in ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
}
NAMES = st.text(max_size=60)


@st.composite
def damaged(draw: Any) -> bytes:
    """A picture with some of its bytes changed, cut out or put in."""
    data = bytearray(WHOLE[draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def archives(draw: Any) -> bytes:
    """A ZIP of anything under any name, perhaps damaged itself."""
    stream = io.BytesIO()
    entries = draw(st.lists(st.tuples(NAMES, damaged() | st.binary(max_size=50)), max_size=4))
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in entries:
            try:
                archive.writestr(zipfile.ZipInfo(name or "x"), data)
            except UnicodeEncodeError:  # an unpaired surrogate: no archiver could write it
                continue
    data = bytearray(stream.getvalue())
    if draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
    return bytes(data)


CONTENT = st.binary(max_size=200) | damaged() | archives()


@pytest.mark.parametrize("language", ["en", "es"])
def test_whatever_is_uploaded_is_answered_and_counted(language: str) -> None:
    case = SmearCaseFactory()
    client = client_of(member(case.laboratory, Role.TECHNICIAN))
    client.cookies["django_language"] = language
    accepted = 0

    @BOUNDED
    @example(files=[("", b"")], kind="single_cell")
    @example(files=[("a.png", WHOLE["PNG"]), ("a.png", WHOLE["PNG"])], kind="field")
    @given(
        files=st.lists(st.tuples(NAMES, CONTENT), max_size=3),
        kind=st.sampled_from(["single_cell", "field", "", "elephant"]) | st.text(max_size=5),
    )
    def upload(files: list[tuple[str, bytes]], kind: str) -> None:
        nonlocal accepted
        sent = []
        for name, data in files:
            file = SimpleUploadedFile("x", data, "image/png")
            file._name = name.encode(errors="replace").decode() or "x"
            sent.append(file)
        answered = client.post(
            f"/api/v1/cases/{case.pk}/images/", {"files": sent, "kind": kind}, format="multipart"
        )
        assert answered.status_code in (200, 201, 400, 422), answered.content
        body = answered.json()
        results = body.get("files", [])
        accepted += sum(each["outcome"] == "accepted" for each in results)
        assert all(each["message"] for each in results)
        if answered.status_code in (400, 422):
            assert body["detail"]
        fields = CaseImage.objects.filter(kind="field").count()
        assert CaseImage.objects.count() == len(stored_files()) == accepted
        assert Cell.objects.count() == accepted - fields

    upload()
    assert accepted > 5


def test_bodies_that_are_no_forms_are_answered() -> None:
    case = SmearCaseFactory()
    client = client_of(member(case.laboratory, Role.TECHNICIAN))
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    form = "multipart/form-data"
    kinds = [
        f"{form}; boundary=b",
        f"{form}; boundary=\u00e9",
        form,
        "multipart/mixed",
        "image/png",
    ]
    kinds += ["image/png", "application/json", ""]

    @BOUNDED
    @given(
        body=st.binary(max_size=100) | st.builds(lambda b: head + b, st.binary(max_size=60)),
        kind=st.sampled_from(kinds),
    )
    def post(body: bytes, kind: str) -> None:
        for path in (f"/api/v1/cases/{case.pk}/images/", f"/cases/{case.pk}/upload/"):
            answered = client.generic("POST", path, body, content_type=kind)
            assert answered.status_code < 500, (path, kind, answered.content)
        assert CaseImage.objects.count() == len(stored_files())

    post()
    assert send(client, case, SimpleUploadedFile("a.png", WHOLE["PNG"])).status_code == 201
