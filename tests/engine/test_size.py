from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import SMALL

from untaught.config import Settings, load_toml
from untaught.data.folder import open_dataset
from untaught.engine.size import fitting_size, sized, taken_up
from untaught.engine.train import train
from untaught.run import Run

SIZES = (256, 384, 512)


def folder(path: Path, shapes) -> Path:
    path.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number, (height, width) in enumerate(shapes):
        Image.fromarray(noise.integers(0, 256, (height, width), dtype=np.uint8)).save(path / f"{number:03}.png")
    return path


def opened(path):
    dataset = open_dataset(str(path))
    return dataset, [sample for sample in dataset.samples if sample.split == "train"]


@pytest.mark.parametrize(
    ("side", "size"), [(40, 256), (128, 256), (341, 256), (342, 384), (512, 384), (513, 512), (1024, 512), (9000, 512)]
)
def test_the_smallest_size_that_keeps_three_quarters(side, size):
    assert fitting_size(side, SIZES) == size


def test_the_middle_image_counts_by_its_area_and_unreadable_ones_do_not(tmp_path):
    good = folder(tmp_path / "good", [(100, 1600), (16, 25), (900, 1600)])
    (good / "zzz.png").write_bytes(b"nothing")
    dataset, samples = opened(good)
    settings = Settings(method="reverse_distillation", data=str(good), model={"sizes": [256, 288, 320, 384]})
    assert sized(settings, dataset, samples).image_size == 320
    assert sized(settings, dataset, samples[3:]) == settings


def test_what_is_asked_for_is_what_is_taken(tmp_path):
    dataset, samples = opened(folder(tmp_path / "good", [(500, 500)] * 4))
    settings = Settings(method="reverse_distillation", data=str(tmp_path))
    sizes = {"model": {"sizes": list(SIZES)}}

    def chosen(**changes):
        return sized(settings.model_copy(update=changes), dataset, samples)

    assert chosen(**sizes).image_size == 384
    assert chosen(**sizes, image_size=128).image_size == 128
    assert chosen(model={**sizes["model"], "image_size": 64}).image_size is None
    assert chosen(model={"sizes": []}).image_size is None
    assert chosen(preset="paper").image_size is None
    assert chosen(**sizes, tile=128).image_size is None


def test_a_run_says_its_size_and_a_resumed_one_keeps_it(product, tmp_path):
    asked = Settings(
        method="reverse_distillation", data=str(product), epochs=SMALL["epochs"], model={"sizes": [64, 128]}
    )
    run = train(asked, tmp_path / "run")
    assert run.card.recipe.height == 64
    assert load_toml(tmp_path / "run" / "settings.toml")["image_size"] == 64
    assert taken_up(asked, tmp_path / "run").image_size == 64
    assert taken_up(asked, tmp_path / "none").image_size is None
    assert train(asked, tmp_path / "run", resume=True).card.created == Run(tmp_path / "run").card.created
