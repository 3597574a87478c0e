"""What is no picture, or is one and something else at once."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from tests.corpus.pictures import chunk, png
from tests.corpus.sample import ACCEPTED, Sample, encoded, noise

SCRIPT = b"<script>alert(document.cookie)</script>"
TEXTS = {
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">%s</svg>'
    % SCRIPT,
    "drawing.jpg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "entities.svg": b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    "laughs.xml": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>',
    "page.html": b"<!doctype html><html><body>%s</body></html>" % SCRIPT,
    "page.png": b"<html>%s</html>" % SCRIPT,
    "shell.php": b"<?php system($_GET['c']); ?>",
    "shell.jpg": b"#!/bin/sh\nrm -rf /\n",
    "letter.pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction 2 0 R>>endobj\ntrailer<<>>",
    "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd)(r) file\n",
    "push.mvg": b"push graphic-context\nfill 'url(https://127.0.0.1/x.jpg\"|ls \")'\npop\n",
    "program.exe": b"MZ" + b"\x90\0" * 100,
    "program.png": b"\x7fELF" + b"\2\1\1" * 100,
    "table.csv": b"=cmd|'/c calc'!A0,1,2\n",
    "data.json": b'{"a": ' * 500,
    "film.mp4": struct.pack(">I", 24) + b"ftypisom" + b"\0" * 400,
    "sound.wav": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 300,
    "packed.gz": b"\x1f\x8b\x08\0" + b"\0" * 100,
    "packed.7z": b"7z\xbc\xaf\x27\x1c" + b"\0" * 100,
    "packed.rar": b"Rar!\x1a\x07\x01\0" + b"\0" * 100,
    "slide.dcm": b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0" + b"\0" * 100,
    "raw.fits": b"SIMPLE  =                    T" + b" " * 2850,
    "unicode.txt": "\ufeff\u202e\u0000 смазок 血".encode(),
}


def samples() -> Iterator[Sample]:
    for name, text in TEXTS.items():
        yield Sample("document", name, text)
    for format in ("GIF", "PPM", "TGA", "PCX", "ICO", "SGI", "IM", "JPEG2000", "PDF", "EPS", "DDS"):
        yield Sample("other format", f"cell.{format.lower()}", encoded(noise(400), format))
    yield from polyglots()
    yield from damaged_insides()


def polyglots() -> Iterator[Sample]:
    """Accepted ones lose whatever is not picture."""
    jpeg, picture = encoded(noise(410), "JPEG"), encoded(noise(411), "PNG")
    page = TEXTS["page.html"]
    yield Sample("polyglot", "behind.jpg", jpeg + page, (ACCEPTED,))
    yield Sample("polyglot", "behind.png", picture + page, (ACCEPTED,))
    yield Sample("polyglot", "behind-twice.jpg", encoded(noise(412), "JPEG") + jpeg, (ACCEPTED,))
    yield Sample("polyglot", "before.jpg", page + jpeg)
    yield Sample("polyglot", "gifar.jpg", b"GIF89a/*" + jpeg + b"*/=1;")
    packed = zlib.compress(b"".join(b"\0" + b"\7\2\3" * 8 for _ in range(8)))
    text = chunk(b"tEXt", b"Comment\0" + page)
    yield Sample("polyglot", "page-inside.png", png(8, 8, packed, text), (ACCEPTED,))
    comment = encoded(noise(413), "JPEG", comment=b"*/" + page)
    yield Sample("polyglot", "page.html.jpg", comment, (ACCEPTED,))
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr(zipfile.ZipInfo("evil.html"), page)
    yield Sample(
        "polyglot", "and-a-zip.jpg", encoded(noise(414), "JPEG") + archive.getvalue(), (ACCEPTED,)
    )
    yield Sample("polyglot", "letter.pdf.jpg", TEXTS["letter.pdf"] + encoded(noise(415), "JPEG"))
    bitmap = encoded(noise(416), "BMP")
    yield Sample("polyglot", "script.bmp", bitmap[:6] + b"/**/" + bitmap[10:] + b"*/=1;", None)


def damaged_insides() -> Iterator[Sample]:
    """Bytes changed in the middle, the same on every run."""
    for number in range(40):
        format = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")[number % 5]
        data = bytearray(encoded(noise(430 + number), format))
        step = 7 + number
        for position in range(step, len(data), len(data) // step):
            data[position] ^= 0x55 + number
        yield Sample("damaged", f"damaged-{number}.{format.lower()}", bytes(data), None)
