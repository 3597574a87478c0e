"""Typed readers of environment variables.

Every reader names the variable and the accepted form when a value cannot be read, so that a wrong
deployment stops at start-up with a sentence that says what to change.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def read_text(name: str, default: str | None = None) -> str:
    """Return the variable's text, stripped.

    Raises:
        ImproperlyConfigured: when it is missing or empty and there is no default.
    """
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}.")
    return default


def read_flag(name: str, default: bool) -> bool:
    """Return a yes-or-no variable.

    Raises:
        ImproperlyConfigured: for anything but 1/0, true/false, yes/no, on/off.
    """
    raw = os.environ.get(name)
    if raw is None:
        return default
    value = raw.strip().lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}.")


def read_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of a few words.

    Raises:
        ImproperlyConfigured: for any other.
    """
    value = read_text(name, default).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def read_secret(name: str, *, shortest: int) -> str:
    """Return a secret, or nothing when none is given.

    Raises:
        ImproperlyConfigured: when it is too short to be one.
    """
    value = read_text(name, "")
    if value and len(value) < shortest:
        raise ImproperlyConfigured(f"{name} must have at least {shortest} characters.")
    return value


def read_integer(
    name: str, default: int, *, minimum: int | None = None, maximum: int | None = None
) -> int:
    """Return a whole number within its bounds.

    Raises:
        ImproperlyConfigured: when it is no whole number or out of bounds.
    """
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}.") from None
    if minimum is not None and value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {value}.")
    if maximum is not None and value > maximum:
        raise ImproperlyConfigured(f"{name} must be at most {maximum}, not {value}.")
    return value


def read_list(name: str, default: list[str]) -> list[str]:
    """Return a comma-separated list without empty items."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    return [item.strip() for item in raw.split(",") if item.strip()]


def read_path(name: str, default: Path) -> Path:
    """Return an absolute path; ``~`` is the home folder."""
    raw = os.environ.get(name, "").strip()
    return Path(raw).expanduser().resolve() if raw else default
