"""How the API describes itself (drf-spectacular)."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
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
