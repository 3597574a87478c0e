"""The typed readers of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from pbcsite import env


def test_text_is_stripped_and_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "  value ")
    assert env.read_text("NAME") == "value"
    monkeypatch.setenv("NAME", "   ")
    assert env.read_text("NAME", "default") == "default"
    with pytest.raises(ImproperlyConfigured, match="Set the environment variable NAME"):
        env.read_text("NAME")


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1", True), ("TRUE", True), ("yes", True), ("on", True), ("0", False), ("No", False),
     ("off", False), ("", False)],
)  # fmt: skip
def test_flag_knows_the_usual_words(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("FLAG", raw)
    assert env.read_flag("FLAG", not value) is value


def test_flag_refuses_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAG", raising=False)
    assert env.read_flag("FLAG", True) is True
    monkeypatch.setenv("FLAG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="FLAG must be true or false, not 'perhaps'"):
        env.read_flag("FLAG", True)


def test_integer_keeps_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBER", "7")
    assert env.read_integer("NUMBER", 1, minimum=7, maximum=7) == 7
    with pytest.raises(ImproperlyConfigured, match="at least 8, not 7"):
        env.read_integer("NUMBER", 1, minimum=8)
    with pytest.raises(ImproperlyConfigured, match="at most 6, not 7"):
        env.read_integer("NUMBER", 1, maximum=6)
    monkeypatch.setenv("NUMBER", "7.5")
    with pytest.raises(ImproperlyConfigured, match="NUMBER must be a whole number"):
        env.read_integer("NUMBER", 1)
    monkeypatch.setenv("NUMBER", "")
    assert env.read_integer("NUMBER", 3) == 3


def test_list_has_no_empty_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIST", " a, ,b,")
    assert env.read_list("LIST", ["c"]) == ["a", "b"]
    monkeypatch.delenv("LIST")
    assert env.read_list("LIST", ["c"]) == ["c"]


def test_path_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("FOLDER", "~/data")
    assert env.read_path("FOLDER", Path("/x")) == Path("/home/somebody/data")
    monkeypatch.setenv("FOLDER", "data")
    assert env.read_path("FOLDER", Path("/x")) == Path.cwd() / "data"
    monkeypatch.delenv("FOLDER")
    assert env.read_path("FOLDER", Path("/x")) == Path("/x")
