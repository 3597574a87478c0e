"""A picture that breaks its decoder, or never lets it end, takes no web process with it."""

from __future__ import annotations

import resource
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.utils import translation

from cases import decoding
from cases.models import CaseImage, Cell, SmearCase
from cases.validators import Rejected, read_picture
from tests.cases_tests.api_client import send
from tests.cases_tests.breakable_helper import CRASHES, DEVOURS, HANGS
from tests.cases_tests.test_uploads import stored_files
from tests.factories import picture_bytes, upload


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Any]:
    """Helpers of this test's own, with the limits it sets."""
    settings.DECODE_SECONDS = 60
    fresh = decoding._Pool()
    monkeypatch.setattr(decoding, "_pool", fresh)
    yield fresh
    for helper in fresh._free:
        helper.close()


@pytest.fixture
def breakable(pool: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DECODE_SECONDS = 4
    monkeypatch.setattr(decoding, "MODULE", "tests.cases_tests.breakable_helper")


def png(width: int, seed: int = 0) -> bytes:
    return picture_bytes(size=(width, 24), seed=seed)


def test_crash_hang_and_hunger_are_answers_and_the_next_file_is_stored(
    breakable: None, client: Any, case: SmearCase
) -> None:
    widths = (CRASHES, 50, HANGS, 51, DEVOURS, 52)
    began = time.monotonic()
    answered = send(client, case, *(upload(f"{each}.png", png(each)) for each in widths))
    assert time.monotonic() - began < 60
    results = answered.json()["files"]
    assert [each["outcome"] for each in results] == ["rejected", "accepted"] * 3
    refused = results[::2]
    assert {each["code"] for each in refused} == {"too_demanding"}
    assert all("Save it anew" in each["message"] for each in refused)
    assert CaseImage.objects.count() == Cell.objects.count() == len(stored_files()) == 3
    client.cookies["django_language"] = "es"
    again = send(client, case, upload("again.png", png(CRASHES))).json()["files"][0]
    assert again["message"].startswith("Descodificar la imagen")


def test_a_helper_the_system_ended_while_it_waited_costs_no_upload(pool: Any) -> None:
    read_picture(png(40))
    (helper,) = pool._free
    helper._process.kill()
    helper._process.wait()
    assert read_picture(png(41)).width == 41
    (fresh,) = pool._free
    assert fresh is not helper


def test_others_are_decoded_while_one_hangs(breakable: None) -> None:
    with ThreadPoolExecutor(2) as threads:
        hanging = threads.submit(read_picture, png(HANGS))
        time.sleep(0.3)
        assert read_picture(png(44)).width == 44
        assert not hanging.done()
        with pytest.raises(Rejected) as caught:
            hanging.result()
    assert caught.value.code == "too_demanding"


def test_helpers_are_few_and_used_again(pool: Any, settings: Any) -> None:
    settings.DECODE_PROCESSES = 2
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda seed: read_picture(png(30, seed)), range(24)))
    assert 1 <= len(pool._free) <= 2


def test_a_small_file_of_many_pixels_meets_the_memory_limit(pool: Any, settings: Any) -> None:
    settings.DECODE_MEMORY_BYTES = 512 * 1024**2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Rejected) as caught:
        read_picture(many_pixels(9900))
    assert caught.value.code == "too_demanding"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
    with translation.override("es"):
        assert "memoria" in str(caught.value.message)


def many_pixels(side: int) -> bytes:
    """A white RGBA PNG of ``side`` squared pixels in few bytes."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\xff" * 4 * side
    body = b"".join([packer.compress(row) for _ in range(side)]) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
