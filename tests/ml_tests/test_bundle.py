"""A bundle that is whole comes back exactly; any other is refused with the file's name."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save

from ml.bundle import (
    BundleError,
    build_model,
    load_weights,
    read_manifest,
    verify,
    write_bundle,
)
from tests.conftest import PROJECT
from tests.ml_tests.conftest import CLASSES, make_manifest, make_weights

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHTS = "weights.safetensors"


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy whose two files may be replaced (not changed in place)."""
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(small_bundle / "model.json", copy)
    os.link(small_bundle / WEIGHTS, copy / WEIGHTS)
    return copy


def put_weights(bundle: Path, data: bytes, *, with_hash: bool) -> None:
    """Replace the weights, and their hash in the manifest if asked for."""
    bundle.joinpath(WEIGHTS).unlink()
    bundle.joinpath(WEIGHTS).write_bytes(data)
    if with_hash:
        edit(bundle, weights_sha256=hashlib.sha256(data).hexdigest())


def edit(bundle: Path, **changes: Any) -> None:
    path = bundle / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(bundle: Path, code: str, file: str) -> str:
    """The message of the refusal, which must have this code and name this file."""
    with pytest.raises(BundleError) as caught:
        verify(bundle)
    assert caught.value.code == code
    assert caught.value.path == bundle / file
    assert str(bundle / file) in str(caught.value)
    return str(caught.value)


def test_a_bundle_comes_back_as_float16_and_answers_as_its_weights_say(small_bundle: Path) -> None:
    manifest = read_manifest(small_bundle)
    digest = hashlib.sha256(small_bundle.joinpath(WEIGHTS).read_bytes()).hexdigest()
    assert manifest == replace(make_manifest(), weights_sha256=digest)
    weights = load_weights(small_bundle, manifest)
    for name, array in make_weights(manifest).items():
        np.testing.assert_array_equal(weights.model[name], array.astype(np.float16))
    model = build_model(manifest, weights)
    for variable in model.weights:
        np.testing.assert_array_equal(
            np.asarray(variable), weights.model[variable.path].astype(np.float32)
        )
    assert 40e6 < small_bundle.joinpath(WEIGHTS).stat().st_size < 41e6


def test_reading_and_verifying_never_load_tensorflow(small_bundle: Path) -> None:
    code = (
        "import sys; from ml.bundle import read_manifest, verify;"
        f"read_manifest({str(small_bundle)!r}); verify({str(small_bundle)!r});"
        "assert not {'tensorflow', 'keras', 'django'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)


@pytest.mark.parametrize("file", ["model.json", WEIGHTS])
def test_a_missing_file_is_named(bundle: Path, file: str) -> None:
    bundle.joinpath(file).unlink()
    assert "no such file" in refusal(bundle, "missing", file)


def test_truncated_weights_are_refused(bundle: Path) -> None:
    data = bundle.joinpath(WEIGHTS).read_bytes()
    put_weights(bundle, data[:-100], with_hash=False)
    assert "truncated" in refusal(bundle, "wrong_hash", WEIGHTS)
    edit(bundle, weights_sha256=hashlib.sha256(data[:-100]).hexdigest())
    refusal(bundle, "foreign", WEIGHTS)


def test_weights_of_another_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    manifest = make_manifest(classes=CLASSES[::-1])
    write_bundle(tmp_path / "other", manifest, make_weights(manifest, seed=1))
    data = tmp_path.joinpath("other", WEIGHTS).read_bytes()
    put_weights(bundle, data, with_hash=False)
    assert "belongs to another bundle" in refusal(bundle, "wrong_hash", WEIGHTS)
    # Even with the hash made to fit, the header gives the swap away.
    edit(bundle, weights_sha256=hashlib.sha256(data).hexdigest())
    assert "classes" in refusal(bundle, "wrong_weights", WEIGHTS)


class Trap:
    """What would run code if a loader unpickled it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_nothing_in_it_runs(bundle: Path, tmp_path: Path) -> None:
    put_weights(bundle, pickle.dumps(Trap(tmp_path / "sprung")), with_hash=True)
    refusal(bundle, "foreign", WEIGHTS)
    assert not tmp_path.joinpath("sprung").exists()


def test_safetensors_of_another_project_are_refused(bundle: Path) -> None:
    put_weights(bundle, save({"a": np.zeros(3, np.float16)}), with_hash=True)
    refusal(bundle, "foreign", WEIGHTS)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("block3_conv1/bias", None, "block3_conv1/bias is missing"),
        ("block6_conv1/bias", np.zeros(3, np.float16), "does not belong"),
        ("prediction/kernel", np.zeros((512, 7), np.float16), "expected (512, 8)"),
        ("prediction/bias", np.zeros(8, np.float32), "expected float16"),
        ("prediction/bias", np.full(8, np.nan, np.float16), "not finite"),
        ("unfamiliar/means", np.full((8, 2), np.inf, np.float32), "unfamiliar/means"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    bundle: Path, name: str, array: np.ndarray | None, words: str
) -> None:
    manifest = read_manifest(bundle)
    arrays = dict(load_weights(bundle, manifest).model)
    arrays.pop(name, None)
    if array is not None:
        arrays[name] = array
    data = save(arrays, metadata={"bundle": json.dumps(manifest.sealed())})
    put_weights(bundle, data, with_hash=True)
    assert words in refusal(bundle, "wrong_weights", WEIGHTS)


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", '{"crop": NaN}', "[" * 100_000, "\udcff"])
def test_a_manifest_that_is_not_json_is_refused(bundle: Path, text: str) -> None:
    bundle.joinpath("model.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "JSON" in refusal(bundle, "invalid_manifest", "model.json")


@pytest.mark.parametrize("content", [[], "text", {}, {"format": "other"}])
def test_json_of_another_kind_is_foreign(bundle: Path, content: Any) -> None:
    bundle.joinpath("model.json").write_text(json.dumps(content))
    refusal(bundle, "foreign", "model.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", []),
        ("classes", "basophil"),
        ("classes", ["ig", "ig"]),
        ("classes", ["ig", 3]),
        ("classes", [["ig"], ["platelet"]]),
        ("architecture", "resnet"),
        ("architecture", []),
        ("head", "mlp"),
        ("head", 1),
        ("input_size", 64.0),
        ("input_size", True),
        ("input_size", 31),
        ("input_size", 100_000),
        ("crop", 0),
        ("crop", 1.5),
        ("crop", "0.75"),
        ("temperature", 0),
        ("temperature", None),
        ("review_threshold", 1.01),
        ("review_threshold", False),
        ("preprocessing_version", "another"),
        ("metrics", []),
        ("training", "much"),
        ("unfamiliar", 3),
        ("name", "  "),
        ("weights_sha256", ""),
        ("surprise", 1),
    ],
)
def test_wrong_values_are_named(bundle: Path, field: str, value: Any) -> None:
    edit(bundle, **{field: value})
    message = refusal(bundle, "invalid_manifest", "model.json")
    assert field.split("_", maxsplit=1)[0] in message


def test_a_missing_field_is_named(bundle: Path) -> None:
    path = bundle / "model.json"
    content = json.loads(path.read_text())
    del content["temperature"]
    path.write_text(json.dumps(content))
    assert "temperature is missing" in refusal(bundle, "invalid_manifest", "model.json")


@pytest.mark.parametrize("classes", [CLASSES[::-1], CLASSES[:7], (*CLASSES, "blast")])
def test_an_edited_class_list_is_found_out(bundle: Path, classes: tuple[str, ...]) -> None:
    edit(bundle, classes=list(classes))
    assert "classes" in refusal(bundle, "wrong_weights", WEIGHTS)


def test_further_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    manifest = make_manifest(unfamiliar={"threshold": 3.5})
    means = np.random.default_rng(0).normal(size=(8, 512)).astype(np.float32)
    written = write_bundle(
        tmp_path / "new", manifest, make_weights(manifest), unfamiliar={"means": means}
    )
    weights = load_weights(tmp_path / "new", written)
    assert read_manifest(tmp_path / "new").unfamiliar == {"threshold": 3.5}
    np.testing.assert_array_equal(weights.unfamiliar["means"], means)
    assert weights.unfamiliar["means"].dtype == np.float32
    assert not [name for name in weights.model if "unfamiliar" in name]


def test_a_bundle_is_replaced_only_when_asked_and_keeps_its_card(bundle: Path) -> None:
    bundle.joinpath("README.md").write_text("card")
    manifest = make_manifest(name="second")
    with pytest.raises(BundleError, match="exists"):
        write_bundle(bundle, manifest, make_weights(manifest))
    assert read_manifest(bundle).name == "small"
    write_bundle(bundle, manifest, make_weights(manifest), overwrite=True)
    assert verify(bundle).name == "second"
    assert sorted(file.name for file in bundle.iterdir()) == ["README.md", "model.json", WEIGHTS]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_write_that_fails_leaves_the_old_bundle_and_nothing_else(bundle: Path) -> None:
    manifest = make_manifest(name="second")
    weights = make_weights(manifest)
    weights["block1_conv1/bias"][0] = 1e6  # beyond float16
    with pytest.raises(BundleError, match="not finite"):
        write_bundle(bundle, manifest, weights, overwrite=True)
    assert verify(bundle).name == "small"
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_the_shipped_bundle_is_whole(bundle_path: Path) -> None:
    manifest = verify(bundle_path)
    assert manifest.classes == CLASSES
    assert manifest.architecture == "vgg19"
