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


def describe_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the problems any operation may answer with to the description.

    A hook of drf-spectacular (``POSTPROCESSING_HOOKS``): what a view tells of a status itself
    stays as it is.

    Args:
        result: the description, complete but for these.
        kwargs: the generator and such, not needed.
    """
    for path, operations in result["paths"].items():
        for operation in operations.values():
            names = {each["name"] for each in operation.get("parameters", [])}
            statuses = ["429"]
            if operation.get("security"):
                statuses.append("401")
            if "cursor" in names:
                statuses += ["400", "404"]
            if "{" in path:
                statuses.append("404")
            if "requestBody" in operation:
                statuses += ["400", "413", "415"]
            for status in statuses:
                operation["responses"].setdefault(status, _problem_response())
    return result


def _problem_response() -> dict[str, Any]:
    form = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"content": {CONTENT_TYPE: form}, "description": ""}
