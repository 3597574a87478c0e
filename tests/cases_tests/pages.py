"""What tests of pages share."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from cases.models import User

HTMX = {"HX-Request": "true"}


def logged_in(user: User) -> Client:
    """A browser in which this user has logged in."""
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    """The words of a page, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
