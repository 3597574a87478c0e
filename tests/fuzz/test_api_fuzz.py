"""Requests made from our own OpenAPI description: whatever is sent, no answer is a 500.

Each operation alone, with what the description allows and what it does not; then sequences, in
which a request takes its keys from earlier answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cases.accounts.services.tokens import create_token
from cases.models import Role
from tests.factories import CellFactory, SmearCaseFactory, member

pytestmark = [pytest.mark.fuzz, pytest.mark.django_db, pytest.mark.timeout(300)]

EXAMPLES = 6
SEQUENCES, STEPS = 12, 8
# Its own token would end with it; asked apart.
LEAVING = "/api/v1/auth/logout/"
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """All requests share the test's transaction, as those of Django's test client do."""
    ends = (request_started, request_finished)
    for each in ends:
        each.disconnect(close_old_connections)
    yield
    for each in ends:
        each.connect(close_old_connections)


@pytest.fixture
def headers() -> dict[str, str]:
    """An administrator's token, in a laboratory with cases and cells."""
    case = SmearCaseFactory()
    for _ in range(5):
        CellFactory(case=case)
    person = member(case.laboratory, Role.ADMINISTRATOR)
    _row, token = create_token(user=person, name="fuzz", scopes=["read", "write", "sign"], days=1)
    return {"Authorization": f"Token {token}"}


@pytest.fixture(scope="module")
def description() -> Any:
    """The description as the site serves it, bound to the site itself."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    schema = schemathesis.openapi.from_dict(json.loads(OpenApiJsonRenderer().render(document)))
    schema.app = get_wsgi_application()
    return schema


def assert_answered(response: Any, case: Any) -> None:
    assert response.status_code < 500, (case.as_curl_command(), response.text[:2000])
    if response.status_code >= 400:
        kinds = response.headers["content-type"]
        assert "application/problem+json" in str(kinds), case.as_curl_command()
        body = response.json()
        assert body["detail"], body
        assert body["code"], body


def test_no_operation_answers_500_whatever_it_is_sent(
    description: Any, headers: dict[str, str]
) -> None:
    operations = [found.ok() for found in description.get_all_operations()]
    assert len(operations) > 60
    asked = 0
    for operation in operations:
        if operation.path == LEAVING:
            continue

        @BOUNDED
        @given(case=operation.as_strategy(), key=st.integers(1, 12), keep=st.booleans())
        def ask(case: Any, key: int, keep: bool) -> None:
            nonlocal asked
            if not keep:  # a row that may exist, instead of a number out of the blue
                case.path_parameters = {
                    name: key if isinstance(value, int) else value
                    for name, value in (case.path_parameters or {}).items()
                }
            asked += 1
            assert_answered(case.call(headers=headers), case)

        ask()
    assert asked >= 2 * len(operations)


def test_no_sequence_of_operations_answers_500(description: Any, headers: dict[str, str]) -> None:
    answered: list[int] = []

    class Road(description.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            answered.append(response.status_code)
            assert_answered(response, case)

    Road.run(settings=settings(BOUNDED, max_examples=SEQUENCES, stateful_step_count=STEPS))
    assert len(answered) >= SEQUENCES
    assert any(status < 300 for status in answered)
