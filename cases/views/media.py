"""Images and photos of cells, each after asking the policy. No other address serves media."""

from __future__ import annotations

import hashlib
import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header
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
# The proxy's own address for the storage's folder, see deploy/nginx.conf.template.
PROTECTED = "/protected-media/"
# What uploads are stored as. Anything else that lies in the storage is handed out, never shown.
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}


def harmless(answer: HttpResponseBase, seconds: int = ONE_DAY) -> None:
    """Whatever the bytes are, no browser runs anything in them, and no shared cache keeps them."""
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    patch_cache_control(answer, private=True, max_age=seconds)


def file_answer(image: CaseImage, *, download: bool) -> HttpResponseBase:
    """The stored file, or with ``MEDIA_BY_PROXY`` the word to the proxy that it may hand it out.

    Raises:
        Http404: when the file is gone.
    """
    name = str(image.file.name)
    ending = PurePosixPath(name).suffix.lower()
    kind = CONTENT_TYPES.get(ending, "application/octet-stream")
    attached = download or ending not in CONTENT_TYPES
    answer: HttpResponseBase
    if settings.MEDIA_BY_PROXY:
        answer = HttpResponse(content_type=kind)
        answer["X-Accel-Redirect"] = PROTECTED + quote(name)
        answer["Content-Disposition"] = str(content_disposition_header(attached, image.served_name))
    else:
        try:
            content = image.file.open("rb")
        except FileNotFoundError as error:
            raise Http404 from error
        answer = FileResponse(
            content, as_attachment=attached, filename=image.served_name, content_type=kind
        )
    harmless(answer)
    return answer


class ImageFileView(PageMixin, View):
    """The stored image; ``?download=1`` as an attachment."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        image = get_object_or_404(self.policy.images(), pk=pk)
        return file_answer(image, download=request.GET.get("download") == "1")


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
    """An entity tag that changes with the image's content, the frame and the size."""
    source = f"{cell.image.sha256} {cell.frame} {size} {JPEG_QUALITY}"
    return f'"{hashlib.sha256(source.encode()).hexdigest()[:32]}"'


def draw_photo(cell: Cell, size: int) -> bytes:
    """Cut the cell out of its image and encode it as JPEG, without any metadata.

    Of a cell on a field it shows the very frame that the model is shown.

    Raises:
        Http404: when the file is gone or is no image any more.
    """
    try:
        if cell.frame_side is not None:
            photo = import_string(settings.FRAME_OF_CELL)(cell)
        else:
            with cell.image.file.open("rb") as file, Image.open(file) as image:
                box = (cell.left, cell.top, cell.left + cell.width, cell.top + cell.height)
                photo = image.convert("RGB").crop(box)
    except (FileNotFoundError, UnidentifiedImageError, ValueError) as error:
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
