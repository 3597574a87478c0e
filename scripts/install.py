"""Make ``.venv`` and install what a lock file names, unless it is installed already.

Runs with any Python, so that it can say what is wrong with the one at hand; uses the standard
library alone. Some distributions split ``ensurepip`` off their Python: then the pip wheel in
``scripts/vendor`` takes its place, so nothing has to be installed beforehand.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / ".venv"
OLDEST, FIRST_UNKNOWN = (3, 11), (3, 14)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    lock = PROJECT / ("requirements-dev.lock" if parser.parse_args().dev else "requirements.lock")
    if not OLDEST <= sys.version_info[:2] < FIRST_UNKNOWN:
        print(
            "pbcsite needs Python 3.11, 3.12 or 3.13, and this is Python "
            + ".".join(map(str, sys.version_info[:2]))
            + ". Install one of them, or name it: make run PYTHON=/path/to/python3.11",
            file=sys.stderr,
        )
        return 1
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / (lock.name + ".installed")
    if not works(python):
        make_environment()
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    started = time.monotonic()
    print(f"Installing {lock.name} into .venv; the first time takes some minutes.", flush=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    # Most files are never imported; Python compiles the others when they are.
    arguments = ["install", "--quiet", "--no-compile", "--require-hashes"]
    arguments += ["--requirement", str(lock)]
    if subprocess.run([*pip, *arguments], check=False).returncode:
        print("The installation failed; pip's message stands above.", file=sys.stderr)
        return 1
    stamp.write_text(wanted)
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def works(python: Path) -> bool:
    """Whether the environment is there, of a usable version, and has pip."""
    if not python.exists():
        return False
    check = f"import sys, pip; sys.exit(not {OLDEST} <= sys.version_info[:2] < {FIRST_UNKNOWN})"
    return subprocess.run([python, "-c", check], check=False, capture_output=True).returncode == 0


def make_environment() -> None:
    """Create ``.venv`` anew, with pip."""
    print(f"Creating .venv with {sys.executable}", flush=True)
    create = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT)]
    subprocess.run(create, check=True)
    (wheel,) = PROJECT.joinpath("scripts", "vendor").glob("pip-*.whl")
    install = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    python = ENVIRONMENT / "bin" / "python"
    subprocess.run(
        [str(python), str(wheel / "pip"), "--disable-pip-version-check", *install], check=True
    )


if __name__ == "__main__":
    sys.exit(main())
