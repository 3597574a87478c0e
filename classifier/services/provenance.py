"""Which models named the cells of a case, for whoever keeps a result."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from classifier.models import Prediction


def models_of_case(case_id: int) -> list[dict[str, Any]]:
    """Every model version that read cells of the case, the earliest first, in one query."""
    rows = (
        Prediction.objects.filter(cell__case_id=case_id, cell__excluded="")
        .of_present_box()
        .order_by("model_version_id")
        .values(
            "model_version__name", "model_version__weights_sha256", "preprocessing_version"
        )
        .annotate(cells=Count("id"))
    )  # fmt: skip
    return [
        {
            "name": row["model_version__name"],
            "weights_sha256": row["model_version__weights_sha256"],
            "preprocessing_version": row["preprocessing_version"],
            "cells": row["cells"],
        }
        for row in rows
    ]
