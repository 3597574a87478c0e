"""The whole road of an image with its file in object storage, against a local server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image

from cases.models import CaseImage, Cell
from classifier.operations import readiness
from classifier.services.work import run_pending
from pbcsite.checks import files_are_writable
from pbcsite.object_storage import object_storage
from tests.classifier_tests.fakes import FakePredictor, make_version
from tests.factories import SmearCaseFactory, member, picture_bytes, upload


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket of a server on loopback, as the place of uploads."""
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-tests")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address, region_name="eu-west-1")
    # The server's memory outlives it within this process.
    name = f"smears-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    settings.STORAGES = {
        **settings.STORAGES,
        "default": object_storage(
            bucket=name, endpoint=address, region="eu-west-1", prefix="uploads"
        ),
    }
    client.bucket = name
    yield client
    server.stop()


def keys(client: Any) -> list[str]:
    return [
        each["Key"] for each in client.list_objects_v2(Bucket=client.bucket).get("Contents", [])
    ]


@pytest.mark.django_db
def test_an_image_is_uploaded_shown_explained_and_deleted(bucket: Any) -> None:
    make_version()
    case = SmearCaseFactory()
    client = Client()
    client.force_login(member(case.laboratory, "reviewer"))
    sent = picture_bytes("PNG", seed=3, size=(64, 64))
    answer = client.post(f"/cases/{case.pk}/upload/", {"files": upload("cell.png", sent)})
    assert answer.status_code == 200
    image = CaseImage.objects.get()
    (key,) = keys(bucket)
    assert key == f"uploads/{image.file.name}"

    run_pending(predictor=FakePredictor())
    cell = Cell.objects.get(state="done")
    assert client.get(f"/cases/{case.pk}/").status_code == 200
    shown = client.get(f"/images/{image.pk}/file/")
    whole = b"".join(shown.streaming_content)
    assert Image.open(BytesIO(whole)).size == (64, 64)
    for address in (f"/cells/{cell.pk}/photo/", f"/api/v1/cells/{cell.pk}/heatmap/"):
        picture = client.get(address)
        assert picture.status_code == 200, address
        assert Image.open(BytesIO(picture.content)).size[0] > 0

    # Nobody gets it past the site, and a second file of that name overwrites nothing.
    assert default_storage.save(str(image.file.name), ContentFile(b"x")) != image.file.name
    default_storage.delete(str(image.file.name))
    assert key not in keys(bucket)
    assert client.get(f"/images/{image.pk}/file/").status_code == 404
    assert client.get(f"/cells/{cell.pk}/photo/").status_code == 404


@pytest.mark.django_db
def test_a_cell_whose_object_is_gone_fails_with_its_reason(bucket: Any) -> None:
    make_version()
    case = SmearCaseFactory()
    client = Client()
    client.force_login(member(case.laboratory, "technician"))
    client.post(f"/cases/{case.pk}/upload/", {"files": upload(seed=5)})
    for key in keys(bucket):
        bucket.delete_object(Bucket=bucket.bucket, Key=key)
    run_pending(predictor=FakePredictor())
    assert Cell.objects.get().failure_code == "file_missing"


@pytest.mark.django_db
def test_readiness_asks_the_bucket(bucket: Any) -> None:
    assert readiness.ask_storage() == readiness.OK
    assert files_are_writable(None) == []


def test_keys_stand_in_no_setting() -> None:
    made = object_storage(bucket="b", endpoint="", region="", prefix="")
    assert not {"access_key", "secret_key"} & made["OPTIONS"].keys()
    assert "endpoint_url" not in made["OPTIONS"]


@pytest.mark.django_db
def test_with_a_proxy_the_site_only_says_who_may_see_the_file(settings: Any) -> None:
    settings.MEDIA_BY_PROXY = True
    case = SmearCaseFactory()
    client = Client()
    client.force_login(member(case.laboratory, "technician"))
    client.post(f"/cases/{case.pk}/upload/", {"files": upload(seed=5)})
    image = CaseImage.objects.get()
    answer = client.get(f"/images/{image.pk}/file/?download=1")
    assert answer["X-Accel-Redirect"] == f"/protected-media/{image.file.name}"
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"].startswith('attachment; filename="image-')
    assert answer.content == b""
    stranger = Client()
    stranger.force_login(member(SmearCaseFactory().laboratory, "administrator"))
    assert "X-Accel-Redirect" not in stranger.get(f"/images/{image.pk}/file/")
    template = Path(__file__).parents[2] / "deploy" / "nginx.conf.template"
    assert "location /protected-media/ {\n        internal;" in template.read_text()
