"""The files of a deployment, as far as they can be checked without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from celery.beat import PersistentScheduler

from pbcsite.beat import Scheduler, is_alive
from scripts.capacity import table
from tests.conftest import PROJECT, missing

SITE = ("web", "worker", "worker-gpu", "beat", "prepare")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(PROJECT.joinpath("docker-compose.yml").read_text())
    return read


def test_compose_keeps_to_the_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(Path(__file__).parent.joinpath("vendor", "compose-spec.json").read_text())
    jsonschema.Draft201909Validator(schema).validate(compose)
    # And the validator does look.
    wrong = {**compose, "services": {"web": {"imagine": "pbcsite"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft201909Validator(schema).validate(wrong)


def test_the_site_runs_with_as_little_as_it_needs(compose: dict[str, Any]) -> None:
    for name in SITE:
        service = compose["services"][name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "ports" not in service, name
    published = {name for name, each in compose["services"].items() if "ports" in each}
    assert published == {"proxy"}
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["inside"]


def test_everything_that_serves_has_a_health_check_and_a_place_for_its_data(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    dockerfile = PROJECT.joinpath("Dockerfile").read_text()
    assert "HEALTHCHECK" in dockerfile  # of web
    for name in ("postgres", "redis", "worker", "beat", "proxy"):
        assert services[name]["healthcheck"]["test"], name
    assert "--appendonly" in services["redis"]["command"]
    assert "yes" in services["redis"]["command"]
    for name in ("postgres", "redis", "web", "worker"):
        volumes = [each.split(":")[0] for each in services[name]["volumes"]]
        assert any(each in compose["volumes"] for each in volumes), name


def test_the_scheduler_signs_with_every_round_and_its_check_reads_the_sign(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BEAT_SIGN_OF_LIFE = sign = tmp_path / "beat-alive"
    monkeypatch.setattr(PersistentScheduler, "tick", lambda self: 30.0)
    assert not is_alive(sign)
    assert Scheduler.tick(object.__new__(Scheduler)) == 30.0
    assert is_alive(sign)
    assert not is_alive(sign, now=sign.stat().st_mtime + 301)
    assert settings.CELERY_BEAT_SCHEDULER == "pbcsite.beat:Scheduler"
    check = [sys.executable, "-m", "pbcsite.beat"]
    for folder, status in ((tmp_path, 0), (tmp_path / "elsewhere", 1)):
        env = os.environ | {"DATA_DIR": str(folder)}
        assert subprocess.run(check, env=env, cwd=PROJECT, check=False).returncode == status


def test_the_gpu_is_reserved_in_a_profile_of_its_own(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker-gpu"]
    assert worker["profiles"] == ["gpu"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_every_variable_is_in_the_example_and_every_secret_is_demanded(
    compose: dict[str, Any],
) -> None:
    text = PROJECT.joinpath("docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+)", text))
    example = PROJECT.joinpath(".env.example").read_text()
    assert asked == set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE))
    for name in ("SECRET_KEY", "AUDIT_KEYS", "POSTGRES_PASSWORD", "SITE_NAME"):
        assert f"${{{name}:?" in text


def test_variables_of_the_site_are_those_it_reads(compose: dict[str, Any]) -> None:
    given = set(compose["x-site"]["environment"]) | set(
        compose["services"]["worker-gpu"]["environment"]
    )
    read = "".join(
        PROJECT.joinpath("pbcsite", name).read_text() for name in ("settings.py", "serving.py")
    )
    assert {name for name in given if f'"{name}"' not in read} == set()


def test_whatever_the_site_reads_can_be_said_in_one_file(compose: dict[str, Any]) -> None:
    """As a key that is changed has to be, and a bucket."""
    for name in SITE:
        assert compose["services"][name]["env_file"] == ".env", name
    # What is said in both would come from the compose file, empty where the file left it out.
    assert not {"SECRET_KEY_FALLBACKS", "S3_BUCKET"} & set(compose["x-site"]["environment"])


def test_the_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        missing("hadolint is not installed (make install-dev).")
    done = subprocess.run(
        [hadolint, str(PROJECT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_built_in_stages_and_runs_as_nobody() -> None:
    text = PROJECT.joinpath("Dockerfile").read_text()
    stages = text.split("\nFROM ")[1:]
    assert len(stages) == 2
    assert "pip install" not in stages[1]
    assert "\nUSER 10001:10001\n" in stages[1]
    ignored = PROJECT.joinpath(".dockerignore").read_text().split()
    assert {".env", ".git", "var"} <= set(ignored)


def test_the_proxy_replaces_what_clients_say_of_themselves() -> None:
    text = PROJECT.joinpath("deploy", "nginx.conf.template").read_text()
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "proxy_set_header X-Forwarded-Proto https;" in text
    assert "proxy_add_x_forwarded_for" not in text
    assert text.count("{") == text.count("}")


def test_kubernetes_objects_can_be_read_and_probe_what_they_should() -> None:
    text = PROJECT.joinpath("docs", "kubernetes.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    objects = [each for block in blocks for each in yaml.safe_load_all(block)]
    kinds = [each["kind"] for each in objects]
    assert kinds.count("Deployment") == 4
    for each in objects:
        if each["kind"] != "Deployment":
            continue
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        if each["metadata"]["name"] == "web":
            assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_figures_of_the_capacity_table_are_those_of_the_script() -> None:
    text = PROJECT.joinpath("docs", "kubernetes.md").read_text()
    for line in table():
        assert line in text, line
