"""Parts of the OpenAPI description that several views share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from cases.api.problems import CONTENT_TYPE
from cases.api.serializers import ProblemSerializer

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        "1 to 200 visible ASCII characters of your choice. A repeated request with the same key "
        "is answered with the first answer and not carried out again."
    ),
)


def problems(*statuses: int, **serializers: Any) -> dict[Any, Any]:
    """Describe problem answers, for ``extend_schema(responses=...)``.

    Args:
        statuses: HTTP statuses.
        serializers: another serializer than the plain problem, as ``status_409=...``.
    """
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            serializers.get(f"status_{status}", ProblemSerializer)
        )
        for status in statuses
    }
