"""The archive's file format: segments come back, each under a key of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pbcsite.backup.container import CHUNK, Keys, Reader, Writer

PASSPHRASE = "a passphrase for the tests"


@pytest.fixture(autouse=True)
def _quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivation is slow on purpose; its strength is not what is tested here."""
    monkeypatch.setattr("pbcsite.backup.container.SCRYPT_N", 2**10)


def test_segments_of_every_size_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    sizes = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5)
    contents = [os.urandom(size) for size in sizes]
    with path.open("w+b") as stream:
        writer = Writer.begin(stream, PASSPHRASE)
        for each in contents:
            writer.add([each[:10], each[10:]])
    with path.open("rb") as stream:
        reader = Reader(stream, PASSPHRASE)
        assert [b"".join(reader.content(each)) for each in reader.frames()] == contents


def test_every_segment_has_a_key_of_its_own() -> None:
    keys = Keys.derive(PASSPHRASE, b"s" * 16)
    sealed = {
        keys.of_segment(salt, index).encrypt(b"n" * 12, b"content", b"")
        for salt in (b"a" * 16, b"b" * 16)
        for index in (0, 1)
    }
    assert len(sealed) == 4
