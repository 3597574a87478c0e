"""The look-up of vulnerabilities says what it did."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import audit_dependencies

FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20"]}


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[int]:
    """Let pip-audit say ``answer`` of every package; return how many were asked for each time."""
    asked = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if isinstance(answer, Exception):
            raise answer
        listed = command[command.index("--requirement") + 1]
        pins = [each.split("==") for each in Path(listed).read_text().split()]
        asked.append(len(pins))
        packages = [{"name": name, "version": version, **answer} for name, version in pins]
        return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": packages}), "")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_known_vulnerabilities_fail_and_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(monkeypatch, {"vulns": [FLAW]})
    assert audit_dependencies.main([]) == 1
    assert asked[0] == 1 < 50 < asked[1]
    assert "PYSEC-2026-1, repaired in 5.2.20" in capsys.readouterr().out


def test_none_known_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"vulns": []})
    assert audit_dependencies.main(["--required"]) == 0


@pytest.mark.parametrize(
    "answer",
    [{"skip_reason": "Dependency not found on PyPI"}, subprocess.TimeoutExpired("pip-audit", 60)],
)
def test_an_unreachable_service_is_said_and_fails_only_when_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    """pip-audit itself passes when it could look up nothing."""
    answering(monkeypatch, answer)
    assert audit_dependencies.main([]) == 0
    assert "NOT CHECKED" in capsys.readouterr().out
    assert audit_dependencies.main(["--required"]) == 1
