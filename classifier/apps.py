"""The model's side of the project."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClassifierConfig(AppConfig):
    name = "classifier"
    verbose_name = _("Classifier")

    def ready(self) -> None:
        """Register the system checks, and what addresses of this side are about for the trail."""
        from cases.trail import know
        from classifier import checks  # noqa: F401
        from classifier.models import ClassificationJob, ModelRun, Prediction, Projection

        of_cells = ("cell__case_id", "cell__case__laboratory_id")
        know(Prediction, *of_cells, "predictions")
        know(ClassificationJob, *of_cells)
        know(Projection, "case_id", "laboratory_id", "projector")
        know(ModelRun, None, "laboratory_id", "model-runs", "runs")
