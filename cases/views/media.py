"""Images and photos of cells, each after asking the policy. No other address serves media."""

from __future__ import annotations

import hashlib
import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.utils.module_loading import import_string
from django.views import View
from PIL import Image, UnidentifiedImageError

from cases.models import Cell
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from cases.models import CaseImage

# Longest side in pixels; an open list would let anybody make the server draw any size.
PHOTO_SIZES = (96, 192, 384, 768)
DEFAULT_PHOTO_SIZE = 192
JPEG_QUALITY = 88
ONE_DAY = 24 * 3600
# What uploads are stored as. Anything else that lies in the storage is handed out, never shown.
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}


def harmless(answer: HttpResponseBase, seconds: int = ONE_DAY) -> None:
    """Whatever the bytes are, no browser runs anything in them, and no shared cache keeps them."""
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    patch_cache_control(answer, private=True, max_age=seconds)


class ImageFileView(PageMixin, View):
    """The stored image; ``?download=1`` as an attachment."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        image = get_object_or_404(self.policy.images(), pk=pk)
        ending = PurePosixPath(image.file.name).suffix.lower()
        try:
            content = image.file.open("rb")
        except FileNotFoundError as error:
            raise Http404 from error
        answer = FileResponse(
            content,
            as_attachment=ending not in CONTENT_TYPES or request.GET.get("download") == "1",
            filename=f"image-{image.case_id}-{image.number}{ending}",
            content_type=CONTENT_TYPES.get(ending, "application/octet-stream"),
        )
        harmless(answer)
        return answer


class CellPhotoView(PageMixin, View):
    """The cell cut out of its image, as a JPEG of at most ``size`` pixels on its longest side."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        cell = get_object_or_404(self.policy.cells().with_image(), pk=pk)
        return photo_answer(request, cell)


def photo_answer(request: HttpRequest, cell: Cell) -> HttpResponse:
    """The picture of a cell at the size asked for; nothing when the reader holds that one."""
    size = read_size(request.GET.get("size", ""))
    tag = photo_tag(cell, size)
    answer: HttpResponse
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponseNotModified()
    else:
        answer = HttpResponse(draw_photo(cell, size), content_type="image/jpeg")
    answer["ETag"] = tag
    harmless(answer)
    return answer


def read_size(text: str) -> int:
    """The smallest offered size that is not below the one asked for."""
    if not text.isdecimal():
        return DEFAULT_PHOTO_SIZE
    return min((size for size in PHOTO_SIZES if size >= int(text)), default=PHOTO_SIZES[-1])


def photo_tag(cell: Cell, size: int) -> str:
    """An entity tag that changes with the image's content, the box and the size."""
    box = (cell.left, cell.top, cell.width, cell.height)
    source = f"{cell.image.sha256} {box} {size} {JPEG_QUALITY}"
    return f'"{hashlib.sha256(source.encode()).hexdigest()[:32]}"'


def cut_out(image: CaseImage, box: tuple[int, int, int, int]) -> Image.Image:
    """Cut a window (left, top, right, bottom) out of an image: a large one is never decoded whole.

    Raises:
        FileNotFoundError: also while a large field's tiles are not made yet.
        PIL.UnidentifiedImageError: when the file is no image any more.
    """
    pixels = image.width * image.height
    if pixels > settings.TILED_FROM_PIXELS:
        window: Image.Image | None = import_string(settings.CUT_FROM_TILES)(image, box)
        if window is not None:
            return window
        if pixels > settings.UPLOAD_MAX_PIXELS:
            raise FileNotFoundError(f"{image} has no tiles yet.")
    with image.file.open("rb") as file, Image.open(file) as picture:
        return picture.convert("RGB").crop(box)


def draw_photo(cell: Cell, size: int) -> bytes:
    """Cut the cell's box out of its image and encode it as JPEG, without any metadata.

    Raises:
        Http404: when the file is gone or is no image any more.
    """
    box = (cell.left, cell.top, cell.left + cell.width, cell.top + cell.height)
    try:
        photo = cut_out(cell.image, box)
    except (FileNotFoundError, UnidentifiedImageError) as error:
        raise Http404 from error
    factor = size / max(photo.size)
    if factor < 1:
        width, height = photo.size
        photo = photo.resize(
            (max(1, round(width * factor)), max(1, round(height * factor))),
            Image.Resampling.LANCZOS,
        )
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
