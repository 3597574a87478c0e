"""Addresses of what leaves the laboratory below /api/v1/."""

from __future__ import annotations

from typing import Any

urlpatterns: list[Any] = []
