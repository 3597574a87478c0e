"""What a person types: the Makefile's targets and the installer's refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import install
from tests.conftest import PROJECT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_target() -> None:
    answer = make()
    assert answer.returncode == 0
    named = {line.split()[0] for line in answer.stdout.splitlines()}
    assert {"run", "test", "lint", "types", "help"} <= named


@pytest.mark.parametrize(
    ("target", "command"),
    [("run", "-m scripts.run"), ("test", "-m pytest"), ("types", "/mypy")],
)
def test_targets_install_first(target: str, command: str) -> None:
    answer = make("--dry-run", target)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.index("scripts/install.py") < answer.stdout.index(command)


def test_another_python_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(sys, "argv", ["install.py"])
    assert install.main() == 1
    said = capsys.readouterr().err
    assert "Python 3.11, 3.12 or 3.13" in said
    assert "this is Python 3.10" in said


def test_an_environment_is_made_without_ensurepip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "ENVIRONMENT", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    assert not install.works(python)
    # Whoever asks for ensurepip, as distributions that split it off have it, fails.
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    hidden.joinpath("ensurepip.py").write_text("raise ImportError('split off')")
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    install.make_environment()
    assert install.works(python)


def test_nothing_is_installed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ENVIRONMENT", tmp_path)
    tmp_path.joinpath("bin").mkdir()
    tmp_path.joinpath("bin", "python").symlink_to(sys.executable)
    installed: list[list[str]] = []

    def run(command: list[str], **kwargs: object) -> subprocess.CompletedProcess[bytes]:
        if "install" in command:
            installed.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["install.py"])
    assert install.main() == 0
    assert install.main() == 0
    (command,) = installed
    assert {"--require-hashes", str(PROJECT / "requirements.lock")} <= set(command)
    monkeypatch.setattr(sys, "argv", ["install.py", "--dev"])
    assert install.main() == 0
    assert len(installed) == 2


def test_the_whole_check_is_there_and_runs() -> None:
    check = PROJECT / ".ci" / "run"
    assert os.access(check, os.X_OK)
    subprocess.run(["bash", "-n", check], check=True)
