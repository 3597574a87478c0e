"""The benchmark times what it says and its figures agree with each other."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from ml.benchmark import measure, read_pictures
from ml.preprocessing import decode
from tests.ml_tests.conftest import make_picture

if TYPE_CHECKING:
    from pathlib import Path

    from ml.predictor import Predictor


def test_ratios_follow_from_the_rates(predictor: Predictor) -> None:
    pictures = [make_picture(seed, form="JPEG") for seed in range(3)]
    result = measure(predictor, pictures, images=8, rounds=3, article_images=2)
    rates = asdict(result)
    assert rates["images_per_second"] > 0
    assert result.ratio_to_forward == pytest.approx(
        result.images_per_second / result.forward_images_per_second, rel=1e-2
    )
    assert result.ratio_to_article == pytest.approx(
        result.images_per_second / result.article_images_per_second, rel=1e-2
    )
    assert (result.batch, result.images, result.rounds, result.input_size) == (4, 8, 3, 64)
    assert result.device == predictor.device
    assert result.model == "small"


def test_the_stream_decodes_every_picture_in_every_round(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    stream = predictor.predict_stream

    def counted(batches: list[list[bytes]]) -> object:
        seen.append(sum(len(batch) for batch in batches))
        return stream(batches)

    monkeypatch.setattr(predictor, "predict_stream", counted)
    measure(predictor, [make_picture()], images=6, rounds=2, article_images=1)
    assert seen == [6, 6, 6]  # one to warm up, two that count


@pytest.mark.parametrize("numbers", [{"images": 0, "rounds": 1}, {"images": 1, "rounds": 0}])
def test_refuses_to_measure_nothing(predictor: Predictor, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        measure(predictor, [make_picture()], **numbers)


def test_reads_jpegs_of_sub_folders_or_draws_some(tmp_path: Path) -> None:
    drawn = read_pictures(tmp_path)
    assert len(drawn) == 16
    assert {decode(data).size for data in drawn} == {(360, 363)}
    tmp_path.joinpath("ig").mkdir()
    data = make_picture(form="JPEG")
    tmp_path.joinpath("ig", "one.jpg").write_bytes(data)
    assert read_pictures(tmp_path) == [data]
