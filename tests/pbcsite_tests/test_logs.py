"""Log lines: their form, the ids of request and task, and what never stands in them."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import pytest
from celery import shared_task
from django.test import Client

from pbcsite import logs

ID = "0123456789abcdef"


@pytest.fixture
def written() -> Any:
    """Lines of the root logger as JSON, through the project's own configuration."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    handler.addFilter(logs.IdsFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)


@pytest.mark.django_db
def test_an_answer_names_its_request_and_the_log_does_too(client: Client, written: Any) -> None:
    answer = client.get("/healthz")
    (line,) = [each for each in written() if each["logger"] == "pbcsite.requests"]
    assert line["request_id"] == answer["X-Request-ID"]
    assert len(answer["X-Request-ID"]) == 32
    assert (line["method"], line["route"], line["status"]) == ("GET", "/healthz", 200)
    assert line["milliseconds"] >= 0
    assert client.get("/healthz")["X-Request-ID"] != answer["X-Request-ID"]
    assert logs.request_id.get() == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("behind_proxy", "given", "kept"),
    [
        (True, ID, True),
        (False, ID, False),
        (True, "short", False),
        (True, "with a\nline break in it", False),
        (True, "x" * 65, False),
    ],
)
def test_only_a_proxy_hands_an_id_over(
    client: Client, settings: Any, behind_proxy: bool, given: str, kept: bool
) -> None:
    settings.BEHIND_PROXY = behind_proxy
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert (answer["X-Request-ID"] == given) is kept


@pytest.mark.django_db
def test_no_secret_of_a_path_and_no_search_stands_in_the_log(client: Client, written: Any) -> None:
    client.get("/invitations/the-secret-of-the-link/")
    client.get("/login/?next=/cases/?q=Fernandez")
    text = json.dumps(written())
    assert "invitations/" in text
    assert "the-secret-of-the-link" not in text
    assert "Fernandez" not in text


def test_a_fault_is_one_line_with_its_traceback(written: Any) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("somewhere").exception("It failed for %s.", "a reason")
    (line,) = written()
    assert line["message"] == "It failed for a reason."
    assert line["level"] == "ERROR"
    assert "ValueError: two\nlines" in line["exception"]


def test_the_id_travels_to_the_task(written: Any, settings: Any) -> None:
    """By the message's headers; tests/classifier_tests/test_processes.py sees it in a worker."""
    headers: dict[str, Any] = {}
    token = logs.request_id.set(ID)
    try:
        logs.send_request_id(headers=headers)
    finally:
        logs.request_id.reset(token)
    assert headers == {"request_id": ID}

    @shared_task
    def noted() -> None:
        logging.getLogger("somewhere").warning("in the task")

    noted.apply(headers=headers, task_id="task-1")
    (line,) = [each for each in written() if each["message"] == "in the task"]
    assert line["task_id"] == "task-1"
    assert logs.current_task.get() == ""


@pytest.mark.parametrize("form", logs.FORMS)
def test_one_setting_chooses_the_form(form: str) -> None:
    made = logs.configuration(level="INFO", form=form)
    assert made["handlers"]["console"]["formatter"] == form
    plain = logging.Formatter(made["formatters"]["line"]["format"], style="{")
    record = logging.LogRecord("n", logging.INFO, "", 0, "said", (), None)
    logs.IdsFilter().filter(record)
    assert plain.format(record).endswith("INFO n: said")
