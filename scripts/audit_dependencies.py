"""Look up the pinned dependencies in a vulnerability service, and say honestly whether it was done.

pip-audit asks PyPI. Where PyPI or its descriptions cannot be reached, as behind a mirror that hands
out files alone, pip-audit passes with every package "skipped"; this command asks after one package
first and then says NOT CHECKED instead. That is no failure, so that a check without a network can
still pass; ``--required`` makes it one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
PROBE = "django"
SECONDS_FOR_ONE = 60
SECONDS_FOR_ALL = 600
NOT_CHECKED = "NOT CHECKED: the vulnerability service did not answer for {name}. {reason}"


@dataclass
class Findings:
    """What the service said of a list of pins.

    Attributes:
        checked: packages it knows.
        skipped: packages it could say nothing of.
        vulnerable: one line for every known vulnerability.
        failure: why there is no answer at all, or empty.
    """

    checked: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    vulnerable: list[str] = field(default_factory=list)
    failure: str = ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--required", action="store_true", help="fail when it cannot be checked")
    parser.add_argument("--lock", type=Path, default=PROJECT / "requirements.lock")
    given = parser.parse_args(arguments)
    pins = read_pins(given.lock)
    probe = ask([each for each in pins if each.startswith(f"{PROBE}==")], SECONDS_FOR_ONE)
    if not probe.checked:
        print(NOT_CHECKED.format(name=PROBE, reason=probe.failure or "It does not know it."))
        print(f"{len(pins)} pinned packages of {given.lock.name} were not looked up.")
        return 1 if given.required else 0
    found = ask(pins, SECONDS_FOR_ALL)
    if found.failure:
        print(NOT_CHECKED.format(name=given.lock.name, reason=found.failure))
        return 1 if given.required else 0
    print(f"Looked up {len(found.checked)} of {len(pins)} pinned packages.")
    for name in found.skipped:
        print(f"not known to the service: {name}")
    for line in found.vulnerable:
        print(f"VULNERABLE {line}")
    return 1 if found.vulnerable else 0


def read_pins(lock: Path) -> list[str]:
    """``name==version`` of every package a lock file names."""
    lines = (line.split(";")[0].rstrip(" \\") for line in lock.read_text().splitlines())
    return [line for line in lines if "==" in line and not line.startswith((" ", "#"))]


def ask(pins: list[str], seconds: int) -> Findings:
    """Let pip-audit look up pins."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(pins) + "\n")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed)]
        options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [*command, *options], capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return Findings(failure=f"No answer within {seconds} s.")
    try:
        return read_answer(json.loads(done.stdout))
    except (json.JSONDecodeError, KeyError, TypeError):
        reason = done.stderr.strip().splitlines()
        return Findings(failure=reason[-1][:300] if reason else "No answer.")


def read_answer(answer: dict[str, Any]) -> Findings:
    """Read pip-audit's JSON."""
    findings = Findings()
    for package in answer["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            findings.skipped.append(name)
            continue
        findings.checked.append(name)
        for each in package["vulns"]:
            repaired = ", ".join(each["fix_versions"]) or "no version yet"
            findings.vulnerable.append(f"{name}: {each['id']}, repaired in {repaired}")
    return findings


if __name__ == "__main__":
    sys.exit(main())
