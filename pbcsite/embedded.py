"""Where the embedded broker listens: a socket that only the user who runs the site may open."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

# macOS allows 104 bytes with the closing zero, Linux 108.
LONGEST_SOCKET_PATH = 103


def broker_socket(data_dir: Path) -> Path:
    """Return the socket's path: in the data folder, or a short one where that is too long.

    The same folder always gives the same path, so that a command typed beside a running site finds
    its broker.
    """
    path = data_dir / "broker" / "broker.sock"
    if len(str(path).encode()) <= LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pbcsite-{name}" / "broker.sock"


def broker_url(data_dir: Path) -> str:
    """Return the embedded broker's address as Celery writes it."""
    return f"redis+socket://{broker_socket(data_dir)}"
