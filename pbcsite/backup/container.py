"""The archive's file: a sequence of encrypted segments, written one after the other.

::

    archive  = MAGIC | salt (16) | check (16) | segment*
    segment  = "SEG1" | index (u64) | length of the body (u64) | salt (16) | body
    body     = chunk+            every chunk of 1 MiB of content, the last one shorter or equal

The passphrase becomes a key by scrypt (RFC 7914), each segment's own key follows from it by
HKDF-SHA-256 (RFC 5869) with the segment's random salt and its index. Chunks are AES-256-GCM; the
nonce counts them and says which is the last one, as in the STREAM construction (Hoang et al. 2015,
"Online authenticated-encryption and its nonce-reuse misuse-resistance"): no chunk can be left out,
moved or cut off without being noticed. A length of zero is that of a segment somebody was writing
when they stopped.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"pbcsite backup 1\n"
MARK = b"SEG1"
FRAME = struct.Struct(">4sQQ16s")
SALT = CHECK = 16
TAG = 16
CHUNK = 1024**2
HEAD = len(MAGIC) + SALT + CHECK
# 128 MiB of memory and about half a second for each guess.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1


class BackupError(Exception):
    """What keeps a backup or a restore from its end.

    Attributes:
        code: stable, for tests and scripts.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def truncated(where: str) -> BackupError:
    return BackupError(
        "truncated",
        f"The archive is cut off {where}. Copy it again from where it was made; if that one is cut "
        "off as well, run the same backup command again, which goes on where it stopped.",
    )


def damaged(where: str) -> BackupError:
    return BackupError(
        "damaged", f"The archive is damaged {where}: it is not as it was written. Use another copy."
    )


@dataclass(frozen=True)
class Keys:
    """The key of an archive."""

    master: bytes

    @classmethod
    def derive(cls, passphrase: str, salt: bytes) -> Keys:
        derivation = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
        return cls(derivation.derive(passphrase.encode()))

    @property
    def check(self) -> bytes:
        """Tells a wrong passphrase from a damaged archive, and nothing of the key."""
        return _expand(self.master, b"", b"pbcsite backup check", CHECK)

    def of_segment(self, salt: bytes, index: int) -> AESGCM:
        return AESGCM(_expand(self.master, salt, b"pbcsite backup segment %d" % index, 32))


def _expand(key: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=purpose).derive(key)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class Writer:
    """Appends segments to an archive."""

    def __init__(self, stream: IO[bytes], keys: Keys, *, index: int = 0) -> None:
        self.stream = stream
        self.keys = keys
        self.index = index

    @classmethod
    def begin(cls, stream: IO[bytes], passphrase: str) -> Writer:
        salt = secrets.token_bytes(SALT)
        keys = Keys.derive(passphrase, salt)
        stream.write(MAGIC + salt + keys.check)
        return cls(stream, keys)

    def add(self, content: Iterable[bytes]) -> str:
        """Write a segment; returns the SHA-256 of its content."""
        start = self.stream.tell()
        salt = secrets.token_bytes(SALT)
        self.stream.write(FRAME.pack(MARK, self.index, 0, salt))
        cipher = self.keys.of_segment(salt, self.index)
        digest = hashlib.sha256()
        for number, (piece, last) in enumerate(_chunks(content)):
            digest.update(piece)
            self.stream.write(cipher.encrypt(_nonce(number, last), piece, MAGIC))
        end = self.stream.tell()
        self.stream.flush()
        os.fsync(self.stream.fileno())
        # Only now does the segment count: its length comes last.
        self.stream.seek(start)
        self.stream.write(FRAME.pack(MARK, self.index, end - start - FRAME.size, salt))
        self.stream.seek(end)
        self.index += 1
        return digest.hexdigest()


def _chunks(content: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of CHUNK bytes and whether each is the last; one empty piece for no content."""
    held = bytearray()
    for each in content:
        held += each
        while len(held) > CHUNK:
            yield bytes(held[:CHUNK]), False
            del held[:CHUNK]
    yield bytes(held), True


@dataclass(frozen=True)
class Frame:
    """Where a segment lies."""

    index: int
    start: int
    length: int
    salt: bytes

    @property
    def end(self) -> int:
        return self.start + FRAME.size + self.length


class Reader:
    """Reads an archive's segments."""

    def __init__(self, stream: IO[bytes], passphrase: str) -> None:
        """Read the head.

        Raises:
            BackupError: ``not_an_archive``, ``truncated``, ``wrong_passphrase``.
        """
        self.stream = stream
        head = stream.read(HEAD)
        if not head.startswith(MAGIC[: len(head)]) or not head:
            raise BackupError("not_an_archive", "This is no backup of pbcsite.")
        if len(head) < HEAD:
            raise truncated("within its first bytes")
        salt = head[len(MAGIC) : len(MAGIC) + SALT]
        self.keys = Keys.derive(passphrase, salt)
        if not secrets.compare_digest(self.keys.check, head[-CHECK:]):
            raise BackupError("wrong_passphrase", "The passphrase is not the archive's.")

    def frames(self) -> Iterator[Frame]:
        """The segments that are whole by their lengths; ends at one that was being written.

        Raises:
            BackupError: ``truncated`` or ``damaged``.
        """
        self.stream.seek(0, io.SEEK_END)
        size = self.stream.tell()
        place, index = HEAD, 0
        while place < size:
            self.stream.seek(place)
            raw = self.stream.read(FRAME.size)
            if len(raw) < FRAME.size:
                raise truncated(f"in segment {index}")
            mark, found, length, salt = FRAME.unpack(raw)
            if mark != MARK or found != index:
                raise damaged(f"before segment {index}")
            frame = Frame(index, place, length, salt)
            if not length or frame.end > size:
                raise truncated(f"in segment {index}")
            yield frame
            place, index = frame.end, index + 1

    def content(self, frame: Frame) -> Iterator[bytes]:
        """The segment's content, piece by piece; each piece has been proven genuine.

        Raises:
            BackupError: ``damaged``.
        """
        cipher = self.keys.of_segment(frame.salt, frame.index)
        place, left, number = frame.start + FRAME.size, frame.length, 0
        while left:
            self.stream.seek(place)
            size = min(left, CHUNK + TAG)
            piece = self.stream.read(size)
            place, left = place + size, left - size
            try:
                yield cipher.decrypt(_nonce(number, not left), piece, MAGIC)
            except InvalidTag as error:
                raise damaged(f"in segment {frame.index}") from error
            number += 1
