"""Settings of the API's libraries."""

from __future__ import annotations

from typing import Any

from pbcsite import env


def rest_framework(*, behind_proxy: bool) -> dict[str, Any]:
    """Django REST framework: who may ask, how often, and in what form."""
    return {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "cases.api.authentication.TokenAuthentication",
            "cases.api.authentication.SessionAuthentication",
        ],
        "DEFAULT_PARSER_CLASSES": [
            "cases.api.parsers.JSONParser",
            "cases.api.parsers.FormParser",
            "cases.api.parsers.MultiPartParser",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_PAGINATION_CLASS": "cases.api.pagination.StableCursorPagination",
        "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "DEFAULT_THROTTLE_CLASSES": [
            "rest_framework.throttling.AnonRateThrottle",
            "rest_framework.throttling.UserRateThrottle",
        ],
        "DEFAULT_THROTTLE_RATES": {
            "anon": env.read_text("THROTTLE_ANON", "60/min"),
            "user": env.read_text("THROTTLE_USER", "6000/min"),
            "token": env.read_text("THROTTLE_TOKEN", "20/min"),
        },
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "cases.api.negotiation.LenientNegotiation",
        "EXCEPTION_HANDLER": "cases.api.problems.problem_handler",
        # Throttles count by address; a client must not choose its own by sending X-Forwarded-For.
        "NUM_PROXIES": 1 if behind_proxy else 0,
        "PAGE_SIZE": 50,
        "TEST_REQUEST_DEFAULT_FORMAT": "json",
    }


SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "pbcsite API",
    "DESCRIPTION": (
        "Smear cases, their cells and their counts. Decision support for a trained reader, never "
        "a diagnosis. The guide is docs/api.md."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # A link to each operation would be a link inside a button, which no screen reader can use.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False},
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Several models have fields of these names, each with choices of its own.
    "ENUM_NAME_OVERRIDES": {
        "DetectionKindEnum": "cases.models.detection.Detection.Kind",
        "ImageKindEnum": "cases.models.image.CaseImage.Kind",
        # Who found a detection has the same choices.
        "LabelSourceEnum": "cases.models.detection.Detection.Source",
        "PatientSexEnum": "cases.models.case.Patient.Sex",
        "WorkStateEnum": "cases.models.image.WorkState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cases.api.schema.describe_problems",
    ],
}
