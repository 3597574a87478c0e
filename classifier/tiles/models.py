"""Rows of tile pyramids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.models import CaseImage
from cases.models.image import WorkState
from classifier.explain.models import LeasedRow
from classifier.querysets import LeasedQuerySet
from classifier.tiles.pyramid import levels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cases.querysets import CaseImageQuerySet


def fields_without_pyramid() -> CaseImageQuerySet:
    """Fields too large to be shown whole, for which nobody has asked for tiles yet."""
    fields: CaseImageQuerySet = CaseImage.objects.filter(kind=CaseImage.Kind.FIELD)
    large = fields.annotate(pixels=F("width") * F("height"))
    return large.filter(pixels__gt=settings.TILED_FROM_PIXELS, pyramid=None)


def needs_tiles(image: CaseImage) -> bool:
    """Whether an image is too large to be shown whole."""
    return image.width * image.height > settings.TILED_FROM_PIXELS


class TilePyramidQuerySet(LeasedQuerySet):
    """Tile pyramids."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(image__case__laboratory_id__in=laboratory_ids)

    def ready(self) -> Self:
        return self.filter(state=WorkState.DONE)


class TilePyramid(LeasedRow):
    """The tiles of one large image: made once by a worker, row of tiles by row of tiles.

    A worker that takes over goes on behind the last row that was counted.
    """

    image = models.OneToOneField(
        CaseImage, on_delete=models.CASCADE, related_name="pyramid", verbose_name=_("image")
    )
    folder = models.CharField(_("folder in the storage"), max_length=200)
    rows_done = models.PositiveIntegerField(_("rows of tiles done"), default=0)
    tiles_done = models.PositiveIntegerField(_("tiles done"), default=0)
    tiles_total = models.PositiveIntegerField(_("tiles in all"))

    objects = TilePyramidQuerySet.as_manager()

    class Meta:
        verbose_name = _("tile pyramid")
        verbose_name_plural = _("tile pyramids")
        ordering = ("queued_at",)
        constraints = [
            models.CheckConstraint(
                condition=Q(tiles_done__lte=F("tiles_total")), name="tiles_done_within_total"
            )
        ]

    def __str__(self) -> str:
        return str(self.image)

    @property
    def progress(self) -> int:
        """Percent of the tiles that are made."""
        return 100 * self.tiles_done // self.tiles_total

    def tile_name(self, level: int, x: int, y: int) -> str:
        """Where a tile lies in the storage."""
        return f"{self.folder}/{level}/{x}_{y}.jpg"

    def has_tile(self, level: int, x: int, y: int) -> bool:
        """Whether the pyramid has such a tile."""
        levels: dict[int, Any] = {
            each.number: each for each in levels_of(self.image.width, self.image.height)
        }
        found = levels.get(level)
        return found is not None and x < found.columns and y < found.rows
