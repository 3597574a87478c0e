"""ZIPs that want out of their folder, unpack without end, or lie about what they hold."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from tests.corpus.sample import ACCEPTED, REJECTED, Sample, encoded, noise

PATHS = (
    "../../../../etc/cron.d/cell.png", "..\\..\\cell.png", "/etc/passwd", "C:\\Windows\\cell.png",
    "\\\\server\\share\\cell.png", "a/../../b/cell.png", "./././cell.png", "a//b.png",
    "....//cell.png", "%2e%2e/cell.png", "~/.ssh/authorized_keys", "con.png", "cell.png\0.html",
    "x" * 4000 + ".png", "细胞/клетка/خلية.png", "\u202egpj.exe", "a:b.png", " .png", ".hidden.png",
)  # fmt: skip


def archive(
    *entries: tuple[zipfile.ZipInfo | str, bytes], packed: bool = False, comment: bytes = b""
) -> bytes:
    """A ZIP with the same bytes on every run."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.comment = comment
        for name, data in entries:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            made.writestr(info, data)
    return stream.getvalue()


def cell(seed: int) -> bytes:
    return encoded(noise(800 + seed, (16, 16)), "PNG")


def samples() -> Iterator[Sample]:
    yield from paths_and_links()
    yield from nested()
    yield from bombs()
    yield from liars()
    yield from cut_short()
    yield from fine()


def paths_and_links() -> Iterator[Sample]:
    for seed, path in enumerate(PATHS):
        yield Sample("path", f"path-{seed}.zip", archive((path, cell(seed))), (ACCEPTED,))
    for number, target in enumerate((b"/etc/passwd", b"../../db.sqlite3", b"loop", b".")):
        link = zipfile.ZipInfo(f"link-{number}.png")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        yield Sample("link", f"link-{number}.zip", archive((link, target)))
    for number, mode in enumerate((stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK)):
        device = zipfile.ZipInfo(f"device-{number}")
        device.create_system = 3
        device.external_attr = (mode | 0o666) << 16
        yield Sample("link", f"device-{number}.zip", archive((device, b"device")))


def nested() -> Iterator[Sample]:
    inner = archive(("cell.png", cell(30)))
    yield Sample("nested", "nested.zip", archive(("inner.zip", inner)))
    yield Sample("nested", "hidden.zip", archive(("cell.png", inner)))
    deep = inner
    for level in range(30):
        deep = archive((f"{level}.zip", deep))
    yield Sample("nested", "thirty-deep.zip", deep)
    beside = archive(("inner.zip", inner), ("cell.png", cell(31)))
    yield Sample("nested", "beside.zip", beside, (REJECTED, ACCEPTED))


def bombs() -> Iterator[Sample]:
    zeros = b"\0" * 15_000_000
    yield Sample("bomb", "zeros.zip", archive(("zeros.png", zeros), packed=True))
    many = [(f"{each}.png", zeros) for each in range(8)]
    yield Sample("bomb", "eight-times.zip", archive(*many, packed=True), (REJECTED,) * 8)
    layered = archive(*[(f"{each}.zip", archive(*many[:1], packed=True)) for each in range(4)])
    yield Sample("bomb", "layered.zip", layered, (REJECTED,) * 4)
    empty = [(f"{each}.png", b"") for each in range(2001)]
    yield Sample("bomb", "too-many.zip", archive(*empty))
    yield Sample("bomb", "overlapping.zip", _overlapping(50), None)


def _overlapping(times: int) -> bytes:
    """One entry's data, named by many lines of the directory."""
    data = archive(("0.png", cell(40)))
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    line = data[directory:end]
    lines = line * times
    close = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, times, times, len(lines), directory, 0)
    return data[:directory] + lines + close


def liars() -> Iterator[Sample]:
    whole = archive(("cell.png", cell(50)))
    directory, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")

    def changed(at: int, value: bytes, seed: int) -> bytes:
        body = archive(("cell.png", cell(50 + seed)))
        start, close = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
        where = at - end + close if at >= end else at - directory + start if at >= directory else at
        return body[:where] + value + body[where + len(value) :]

    edits = {
        "encrypted": (directory + 8, b"\1\0"),
        "method-lzma": (directory + 10, b"\x0e\0"),
        "method-unknown": (directory + 10, b"\x63\0"),
        "wrong-checksum": (directory + 16, b"\0\0\0\0"),
        "packed-size": (directory + 20, b"\xff\xff\xff\x7f"),
        "size-small": (directory + 24, b"\5\0\0\0"),
        "size-large": (directory + 24, b"\xff\xff\xff\x7f"),
        "name-length": (directory + 28, b"\xff\xff"),
        "extra-length": (directory + 30, b"\xff\xff"),
        "offset": (directory + 42, b"\xff\xff\xff\x7f"),
        "count": (end + 10, b"\xff\xff"),
        "directory-size": (end + 12, b"\xff\xff\xff\x7f"),
        "directory-offset": (end + 16, b"\xff\xff\xff\x7f"),
        "date": (directory + 12, b"\xff\xff\xff\xff"),
        "header-gone": (0, b"PK\x03\x04" + b"\xff" * 26),
        "disk": (end + 4, b"\x05\0\x05\0"),
        "version": (directory + 6, b"\xff\0"),
    }
    for seed, (name, (at, value)) in enumerate(edits.items()):
        yield Sample("liar", f"{name}.zip", changed(at, value, seed), None)
    yield Sample("liar", "zip64.zip", _with_zip64_end(), None)
    yield Sample("liar", "only-an-end.zip", b"PK\x05\x06" + b"\0" * 18)
    yield Sample("liar", "not-a-zip.zip", b"PK\x03\x04" + b"nothing of the kind" * 40)


def _with_zip64_end() -> bytes:
    """An end of directory that says the true one is a zip64's, of absurd numbers."""
    data = archive(("cell.png", cell(80)))
    end = data.index(b"PK\x05\x06")
    far = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 2**40, 2**40, 2**60, 2**60)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    close = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return data[:end] + far + locator + close


def cut_short() -> Iterator[Sample]:
    """A sound ZIP of several cells, cut at every kilobyte."""
    whole = archive(*[(f"{each}.png", encoded(noise(900 + each), "PNG")) for each in range(4)])
    for kilobytes in range(1, len(whole) // 1024 + 1):
        yield Sample("cut short", f"cut-{kilobytes}.zip", whole[: kilobytes * 1024])


def fine() -> Iterator[Sample]:
    """What is unusual and yet an honest ZIP."""
    yield Sample(
        "fine", "comment.zip", archive(("a.png", cell(90)), comment=b"x" * 60_000), (ACCEPTED,)
    )
    # Data before the archive: a program that unpacks itself. Its content is no ZIP's.
    yield Sample("fine", "unpacks-itself.zip", b"MZ" * 200 + archive(("a.png", cell(91))))
    folders = archive(("folder/", b""), ("folder/a.png", cell(92)), ("__MACOSX/._a.png", b"x"))
    yield Sample("fine", "folders.zip", folders, (ACCEPTED,))
    twice = archive(("a.png", cell(93)), ("b.png", cell(93)))
    yield Sample("fine", "twice.zip", twice, (ACCEPTED, "duplicate"))
    mixed = archive(("a.png", cell(94)), ("b.txt", b"text"), ("c.png", b""), packed=True)
    yield Sample("fine", "mixed.zip", mixed, (ACCEPTED, REJECTED, REJECTED))
    raw = zlib.compress(cell(95))[2:-4]
    yield Sample("fine", "raw.zip", raw)
