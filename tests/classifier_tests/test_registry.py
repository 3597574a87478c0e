"""Registration and activation of bundles, and what administrators are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from cases.models import CellClass, SmearCase
from cases.services.errors import Conflict, ServiceError
from classifier import checks, inference
from classifier.inference import BundleError
from classifier.models import ModelVersion
from classifier.services.registry import (
    activate_model,
    ensure_model,
    follow_shipped_model,
    register_model,
)
from classifier.services.status import queue_status
from tests.classifier_tests.fakes import make_version, queue_cells

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may damage."""
    return Path(shutil.copytree(bundle_path, tmp_path / "bundles" / "vgg19-pbc"))


def change(bundle: Path, **fields: Any) -> None:
    manifest = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**manifest, **fields}))


def test_registering_twice_makes_one_version(bundle: Path) -> None:
    first = register_model(folder=bundle, activate=True)
    second = register_model(folder=bundle)
    assert first.pk == second.pk
    assert second.active
    assert ModelVersion.objects.count() == 1
    assert first.manifest["crop"] == json.loads((bundle / "model.json").read_text())["crop"]


def test_a_bundle_below_the_directory_is_stored_by_name(bundle: Path, settings: Any) -> None:
    assert register_model(folder=bundle).bundle == str(bundle)
    settings.MODEL_BUNDLES_DIR = bundle.parent
    version = register_model(folder=bundle)
    assert version.bundle == "vgg19-pbc"
    assert inference.bundle_folder(version) == bundle


def test_a_card_may_change_but_not_what_predictions_depend_on(bundle: Path) -> None:
    register_model(folder=bundle)
    change(bundle, metrics={"accuracy": 0.9}, review_threshold=0.5)
    version = register_model(folder=bundle)
    assert (version.manifest["metrics"], version.review_threshold) == ({"accuracy": 0.9}, 0.5)
    change(bundle, temperature=2.5)
    with pytest.raises(Conflict) as refusal:
        register_model(folder=bundle)
    assert "temperature" in str(refusal.value.message)


def test_unknown_classes_are_refused_by_name(bundle: Path) -> None:
    CellClass.objects.filter(code="ig").update(predicted=False)
    with pytest.raises(ServiceError) as refusal:
        register_model(folder=bundle)
    assert "ig" in str(refusal.value.message)
    assert not ModelVersion.objects.exists()


def test_a_name_belongs_to_one_model(bundle: Path) -> None:
    make_version(json.loads((bundle / "model.json").read_text())["name"])
    with pytest.raises(Conflict) as refusal:
        register_model(folder=bundle)
    assert refusal.value.code == "name_taken"


def test_activation_leaves_exactly_one_active() -> None:
    make_version("one")
    two = make_version("two", active=False)
    activate_model(version=two)
    activate_model(version=two)
    assert list(ModelVersion.objects.active()) == [two]


def test_the_command_registers_and_names_what_is_wrong(bundle: Path, capsys: Any) -> None:
    call_command("register_model", str(bundle), "--activate")
    assert ", active" in capsys.readouterr().out
    (bundle / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(CommandError, match=r"weights\.safetensors"):
        call_command("register_model", str(bundle))
    with pytest.raises(CommandError, match="nowhere"):
        call_command("register_model", str(bundle.parent / "nowhere"))


def test_the_default_bundle_is_taken_when_nothing_was_registered(
    bundle: Path, settings: Any
) -> None:
    settings.MODEL_BUNDLES_DIR = bundle.parent
    ensure_model()
    assert ModelVersion.objects.get().active
    # An administrator's decision to have no active model stands.
    ModelVersion.objects.update(active=False)
    ensure_model()
    assert not ModelVersion.objects.active().exists()


def test_an_update_of_the_shipped_bundle_is_followed(bundle: Path, settings: Any) -> None:
    settings.MODEL_BUNDLES_DIR = bundle.parent
    follow_shipped_model()
    yesterday = ModelVersion.objects.get()
    ModelVersion.objects.update(weights_sha256="0" * 64, name="yesterday's")
    follow_shipped_model()
    today = ModelVersion.objects.active().get()
    assert today != yesterday
    assert queue_status().problem == ""
    # A laboratory's own choice is not overruled.
    activate_model(version=yesterday)
    ModelVersion.objects.filter(pk=yesterday.pk).update(bundle="elsewhere")
    follow_shipped_model()
    assert ModelVersion.objects.active().get() == yesterday


def test_a_bundle_exchanged_behind_the_sites_back_is_not_loaded(
    bundle: Path, settings: Any
) -> None:
    settings.MODEL_BUNDLES_DIR = bundle.parent
    version = register_model(folder=bundle, activate=True)
    assert queue_status().problem == ""
    change(bundle, weights_sha256="0" * 64)
    with pytest.raises(BundleError, match="no longer the bundle"):
        inference.reader_for(version)
    assert "exchanged" in str(queue_status().problem)


def test_the_status_tells_numbers_and_troubles(case: SmearCase) -> None:
    queue_cells(case, 3)
    status = queue_status()
    assert (status.queued, status.processing, status.failed) == (3, 0, 0)
    assert status.oldest_queued_at is not None
    assert "No model is active" in str(status.problem)
    version = make_version(device="CPU x")
    status = queue_status()
    assert (status.model_version, status.device) == (version, "CPU x")
    assert "missing" in str(status.problem)


def test_the_system_checks_name_a_missing_or_damaged_bundle(bundle: Path, settings: Any) -> None:
    settings.MODEL_BUNDLES_DIR = bundle.parent
    assert checks.default_bundle_in_place() == checks.default_bundle_whole() == []
    (bundle / "weights.safetensors").write_bytes(b"cut")
    assert checks.default_bundle_in_place() == []
    (warning,) = checks.default_bundle_whole()
    assert "weights.safetensors" in str(warning.msg)
    (bundle / "weights.safetensors").unlink()
    (warning,) = checks.default_bundle_in_place()
    assert warning.id == "classifier.W001"


def test_the_status_does_not_depend_on_a_language(case: SmearCase) -> None:
    with translation.override("es"):
        assert queue_status().problem
