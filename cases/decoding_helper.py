"""The process that decodes: ``python -m cases.decoding_helper`` reads files from standard input.

It has its own memory and processor limits and knows neither settings nor database nor secrets: a
file that breaks a decoder, or never lets it end, takes this process and nothing else. A message is
a JSON header of one line, which says how many bytes follow it, then those bytes. It ends with its
input.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from typing import IO, Any

from cases.pictures import NotKept, make_picture

TOO_DEMANDING = "too_demanding"
# Enough for what a decoder opens; nothing may be written to any file.
OPEN_FILES = 16


def send(stream: IO[bytes], header: dict[str, Any], data: bytes = b"") -> None:
    """Write one message."""
    stream.write(json.dumps({**header, "bytes": len(data)}).encode() + b"\n")
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Read one message; None when the stream ended before it was whole."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    data = stream.read(header["bytes"])
    return (header, data) if len(data) == header["bytes"] else None


def answer(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Decode one file; a refusal is an answer as well."""
    try:
        picture = make_picture(
            data,
            formats=header["formats"],
            max_pixels=header["max_pixels"],
            large=header["large"],
        )
    except NotKept as refusal:
        return {"refused": refusal.code, "because": repr(refusal.__cause__)}, b""
    except MemoryError as error:
        return {"refused": TOO_DEMANDING, "because": repr(error)}, b""
    found = {"extension": picture.extension, "width": picture.width, "height": picture.height}
    return found, picture.data


def _limit(what: int, amount: int) -> None:
    _soft, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    # Not every system lets every limit be set; the parent's clock holds everywhere.
    try:
        resource.setrlimit(what, (amount, hard))
    except (OSError, ValueError):
        return


def _allow_seconds(seconds: float) -> None:
    """Count processor time anew for each file: also an orphan in an endless loop ends."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds) + 1)


def main() -> None:
    _limit(resource.RLIMIT_AS, int(sys.argv[1]))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        request = receive(requests)
        if request is None:
            return
        _allow_seconds(request[0]["seconds"])
        send(answers, *answer(*request))


if __name__ == "__main__":
    main()
