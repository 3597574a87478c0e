"""Tiles and thumbnails of fields, each after asking the policy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.core.files.storage import default_storage
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.views import View
from PIL import Image, UnidentifiedImageError

from cases.views.base import PageMixin
from cases.views.media import JPEG_QUALITY, harmless
from classifier.policies import pyramids_of
from classifier.tiles.models import needs_tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from cases.models import CaseImage
    from classifier.models import TilePyramid

THUMBNAIL = 384
ONE_YEAR = 365 * 24 * 3600


def jpeg_answer(request: HttpRequest, tag: str, content: Callable[[], bytes]) -> HttpResponse:
    """A picture that never changes: kept for a year by the reader's own browser and by nobody else.

    Args:
        request: what was asked.
        tag: the entity tag without quotes.
        content: makes the picture, unless the browser holds it already.
    """
    answer: HttpResponse
    if request.headers.get("If-None-Match") == f'"{tag}"':
        answer = HttpResponseNotModified()
    else:
        answer = HttpResponse(content(), content_type="image/jpeg")
    answer["ETag"] = f'"{tag}"'
    harmless(answer, ONE_YEAR)
    patch_cache_control(answer, immutable=True)
    return answer


def read_tile(pyramid: TilePyramid, level: int, x: int, y: int) -> bytes:
    """The bytes of a tile.

    Raises:
        Http404: when the file is gone.
    """
    try:
        with default_storage.open(pyramid.tile_name(level, x, y), "rb") as file:
            data: bytes = file.read()
    except FileNotFoundError as error:
        raise Http404 from error
    return data


class ImageTileView(PageMixin, View):
    """One tile of a large field; there is none before the pyramid is whole."""

    def get(self, request: HttpRequest, pk: int, level: int, x: int, y: int) -> HttpResponse:
        pyramid = get_object_or_404(
            pyramids_of(self.policy).ready().select_related("image"), image_id=pk
        )
        if not pyramid.has_tile(level, x, y):
            raise Http404
        tag = f"{pyramid.folder.rpartition('/')[2]}-{level}-{x}-{y}"
        return jpeg_answer(request, tag, lambda: read_tile(pyramid, level, x, y))


class ImageThumbnailView(PageMixin, View):
    """A field as a small picture; of a large one the tile that shows all of it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        image = get_object_or_404(self.policy.images(), pk=pk)
        tag = f"{image.sha256[:32]}-{THUMBNAIL}"
        if not needs_tiles(image):
            return jpeg_answer(request, tag, lambda: draw_thumbnail(image))
        pyramid = get_object_or_404(pyramids_of(self.policy).ready(), image_id=pk)
        return jpeg_answer(request, f"{tag}-0", lambda: read_tile(pyramid, 0, 0, 0))


def draw_thumbnail(image: CaseImage) -> bytes:
    """An image of at most ``THUMBNAIL`` pixels on its longest side as JPEG.

    Raises:
        Http404: when the file is gone or is no image any more.
    """
    try:
        with image.file.open("rb") as file, Image.open(file) as picture:
            picture.draft("RGB", (THUMBNAIL, THUMBNAIL))
            small = picture.convert("RGB")
    except (FileNotFoundError, UnidentifiedImageError) as error:
        raise Http404 from error
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
