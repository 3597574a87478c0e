"""Uploaded images."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.case import SmearCase
from cases.querysets import CaseImageQuerySet


class WorkState(models.TextChoices):
    """How far the model's work on an image or a cell has come."""

    QUEUED = "queued", pgettext_lazy("work", "queued")
    PROCESSING = "processing", pgettext_lazy("work", "processing")
    DONE = "done", pgettext_lazy("work", "done")
    FAILED = "failed", pgettext_lazy("work", "failed")


IMAGES_FOLDER = "cases"


def image_path(image: CaseImage, filename: str) -> str:
    """Name a stored file: the server's choice, nothing of the uploader's name but a safe ending."""
    ending = filename.rsplit(".", 1)[-1]
    return f"{IMAGES_FOLDER}/{image.case_id}/{uuid.uuid4().hex}.{ending}"


class CaseImage(models.Model):
    """An image of a case: one cell in its centre, or a field with many.

    ``kind_source`` says how the kind was found out; while it is ``unsure`` the worker judges by
    the size of the cells on the image.
    """

    class Kind(models.TextChoices):
        """What the image shows."""

        SINGLE_CELL = "single_cell", _("single cell")
        FIELD = "field", _("field of view")

    class KindSource(models.TextChoices):
        """Who says what the image shows."""

        GIVEN = "given", pgettext_lazy("kind", "a person")
        SHAPE = "shape", pgettext_lazy("kind", "the image's size")
        MEASURED = "measured", pgettext_lazy("kind", "the size of its cells")
        UNSURE = "unsure", pgettext_lazy("kind", "not decided yet")

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="images", verbose_name=_("case")
    )
    number = models.PositiveIntegerField(_("number in the case"))
    file = models.FileField(_("file"), upload_to=image_path, max_length=200)
    original_name = models.CharField(_("name on upload"), max_length=255, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    byte_size = models.PositiveBigIntegerField(_("size in bytes"))
    width = models.PositiveIntegerField(_("width in pixels"))
    height = models.PositiveIntegerField(_("height in pixels"))
    kind = models.CharField(
        _("kind"), max_length=20, choices=Kind.choices, default=Kind.SINGLE_CELL
    )
    kind_source = models.CharField(
        _("kind given by"), max_length=10, choices=KindSource.choices, default=KindSource.GIVEN
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="uploaded_images",
        verbose_name=_("uploaded by"),
    )
    uploaded_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    state = models.CharField(
        _("state"), max_length=20, choices=WorkState.choices, default=WorkState.QUEUED
    )
    searched_at = models.DateTimeField(
        _("searched for cells"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When the detector was done with a field."),
    )
    search_progress = models.PositiveSmallIntegerField(
        _("searched, in percent"), default=0, editable=False
    )
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)

    objects = CaseImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ("case", "number")
        constraints = [
            models.UniqueConstraint(fields=("case", "sha256"), name="image_once_per_case"),
            models.UniqueConstraint(fields=("case", "number"), name="image_number_in_case"),
        ]

    def __str__(self) -> str:
        return f"{self.case} / {self.number}"

    @property
    def served_name(self) -> str:
        """What the file is called outside: nothing of the name it was uploaded under."""
        ending = PurePosixPath(str(self.file.name)).suffix.lower()
        return f"image-{self.case_id}-{self.number}{ending}"
