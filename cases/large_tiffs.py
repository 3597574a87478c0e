"""Large TIFF and OME-TIFF fields: their picture is kept piece by piece, never decoded whole.

The worker reads them window by window. Nothing but the picture is kept (cases/tiff_copy.py).
Whatever is small enough to be decoded takes the usual road (cases/validators.py) and becomes a
picture without metadata as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from cases.pictures import LARGE_PIXELS
from cases.tiff_header import CANNOT_WRITE
from cases.validators import Rejected, too_large_message

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)
PROJECT = Path(__file__).resolve().parent.parent
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COPY_BYTES = 8 * 1024**2
# Every piece is read, and inflated where it is compressed: that takes longer than a look.
COPY_SECONDS_FACTOR = 10


@dataclass(frozen=True)
class LargeTiff:
    """A TIFF to keep.

    Attributes:
        file: its picture without metadata and further pages; gone when closed.
        sha256: of the upload.
        byte_size: of the upload.
        width: of its first page in pixels.
        height: of its first page in pixels.
    """

    file: Any
    sha256: str
    byte_size: int
    width: int
    height: int


def large_tiff(file: Any) -> LargeTiff | None:
    """The upload as a large TIFF; None when it is none and takes the usual road.

    Raises:
        Rejected: ``file_too_large``, ``field_too_many_pixels``, ``tiff_unreadable``,
            ``tiff_pixels``, ``tiff_compression``, ``tiff_several``, ``tiff_one_piece`` or
            ``tiff_too_demanding``.
    """
    file.seek(0)
    signature = file.read(4)
    file.seek(0)
    if signature not in SIGNATURES:
        return None
    large = file.size > settings.UPLOAD_MAX_BYTES
    if file.size > settings.FIELD_MAX_BYTES:
        raise Rejected("file_too_large", too_large_message(settings.FIELD_MAX_BYTES))
    with _on_disk(file) as path:
        said = _ask("cases.tiff_header", str(path), seconds=settings.DECODE_SECONDS)
        pixels = said.get("width", 0) * said.get("height", 0)
        if pixels > settings.FIELD_MAX_PIXELS:
            raise Rejected("field_too_many_pixels", REFUSALS["field_too_many_pixels"])
        if not large and pixels <= LARGE_PIXELS:
            return None
        _refuse(said)
        copy = TemporaryUploadedFile("image.tif", "image/tiff", 0, None)
        try:
            seconds = settings.DECODE_SECONDS * COPY_SECONDS_FACTOR
            done = _ask("cases.tiff_copy", str(path), copy.temporary_file_path(), seconds=seconds)
            _refuse(done)
            copy.size = done["byte_size"]
            return LargeTiff(copy, _sha256(file), file.size, said["width"], said["height"])
        except BaseException:
            copy.close()
            raise


def _refuse(said: dict[str, Any]) -> None:
    """Raise Rejected where a helper refused."""
    if code := said.get("refused"):
        logger.info("A TIFF was not kept (%s): %s", code, said.get("because", ""))
        raise Rejected(code, REFUSALS[code])


def _sha256(file: Any) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    for part in iter(lambda: file.read(COPY_BYTES), b""):
        digest.update(part)
    file.seek(0)
    return digest.hexdigest()


@contextmanager
def _on_disk(file: Any) -> Iterator[Path]:
    """Where the upload lies; one that is kept in memory is written for the while."""
    if hasattr(file, "temporary_file_path"):
        yield Path(file.temporary_file_path())
        return
    with tempfile.NamedTemporaryFile(suffix=".tif", dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, COPY_BYTES)
        copy.flush()
        file.seek(0)  # whoever takes the usual road reads it from its beginning
        yield Path(copy.name)


def _ask(module: str, *arguments: str, seconds: int) -> dict[str, Any]:
    """What a helper process of its own says, with bounded memory and time.

    Raises:
        OSError: when the helper could not write; that is not the file's fault.
    """
    limits = [str(settings.DECODE_MEMORY_BYTES), str(seconds)]
    try:
        done = subprocess.run(  # noqa: S603 - this project's own modules
            [sys.executable, "-m", module, *arguments, *limits],
            cwd=PROJECT,
            env={"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"refused": "tiff_too_demanding", "because": f"more than {seconds} s"}
    if done.returncode == CANNOT_WRITE:
        raise OSError(done.stderr.decode(errors="replace").strip())
    if done.returncode:
        because = f"status {done.returncode}: {done.stderr[-500:].decode(errors='replace')}"
        return {"refused": "tiff_too_demanding", "because": because}
    said: dict[str, Any] = json.loads(done.stdout)
    return said


REFUSALS = {
    "field_too_many_pixels": format_lazy(
        _("The field has more than {limit} million pixels; send a part of it."),
        limit=lazy(lambda: f"{settings.FIELD_MAX_PIXELS / 1e6:g}", str)(),
    ),
    "tiff_unreadable": _("The TIFF is damaged or incomplete; export it again."),
    "tiff_pixels": _("The TIFF has other pixels than 8-bit RGB or grey; export it as 8-bit RGB."),
    "tiff_several": _(
        "The TIFF holds several images (a stack, separate channels, or a small one before the "
        "large one); export the picture as one RGB image."
    ),
    "tiff_compression": _(
        "The TIFF is compressed in a way that cannot be read here; export it with deflate or "
        "without compression."
    ),
    "tiff_one_piece": _("The TIFF is one large piece; export it in tiles or strips."),
    "tiff_too_demanding": _(
        "Reading the TIFF took too much time or memory. Export it in tiles with deflate, or send a "
        "part of it."
    ),
}
