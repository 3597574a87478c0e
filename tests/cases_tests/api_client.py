"""What the API's tests share."""

from __future__ import annotations

import json
from typing import Any

from rest_framework.test import APIClient

from cases.models import SmearCase

API = "/api/v1"
JSON = "application/json"


def client_of(user: Any) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def assert_problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith(API)
    assert body["type"] == f"urn:pbcsite:problem:{body['code']}"
    if code:
        assert body["code"] == code
    return body


def send(client: APIClient, case: SmearCase, *files: Any, **options: Any) -> Any:
    return client.post(
        f"{API}/cases/{case.pk}/images/", {"files": list(files)}, format="multipart", **options
    )
