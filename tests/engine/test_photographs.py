import numpy as np
import pytest
import torch
from PIL import Image

from untaught.engine.photographs import LARGEST, NATURAL, crop, crops, folder_of, packaged
from untaught.errors import DataError, ImageError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        Image.new("RGB", (40, 30), (40 * number, 90, 200)).save(tmp_path / name)
    return tmp_path


def test_scikit_image_brings_all_that_are_named():
    photographs = packaged()
    assert [path.name for path in photographs.paths] == list(NATURAL)
    assert photographs[0].shape == (512, 512, 3)
    assert photographs[2].shape[2] == 3


def test_a_folder_and_those_below_it(folder):
    photographs = folder_of(folder)
    assert [path.name for path in photographs.paths] == ["a.png", "b.jpg", "c.png"]
    assert photographs.source == str(folder)
    before = photographs.digest
    Image.new("RGB", (40, 30)).save(folder / "a.png")
    assert folder_of(folder).digest != before


def test_what_is_no_photograph_is_named(folder, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        folder_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image in it"):
        folder_of(tmp_path / "empty")
    (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.png"):
        folder_of(folder)


def test_a_very_large_photograph_is_reduced(tmp_path):
    Image.new("L", (3 * LARGEST, 2 * LARGEST)).save(tmp_path / "large.png")
    assert folder_of(tmp_path)[0].shape == (LARGEST, 3 * LARGEST // 2, 3)


def test_a_crop_is_cut_from_the_photograph_stretched_to_a_square():
    ramp = np.broadcast_to(np.linspace(0, 255, 300)[None, :, None], (100, 300, 3)).astype(np.uint8)
    slopes = []
    for seed in range(200):
        image = crop(ramp, 17, (68, 272), False, np.random.default_rng(seed))
        assert image.shape == (3, 17, 17)
        slopes.append(((image[0, 8, -1] - image[0, 8, 0]) / 16).item())
    sides = 1 / np.array(slopes)
    assert 60 < sides.min() < 80
    assert 250 < sides.max() < 300


def test_one_in_ten_is_grey():
    photograph = np.zeros((40, 40, 3), np.uint8)
    photograph[..., 0] = 200
    grey = [
        bool((image[0] == image[1]).all())
        for image in (crop(photograph, 17, (68, 272), False, np.random.default_rng(seed)) for seed in range(500))
    ]
    assert 0.06 < np.mean(grey) < 0.14


def test_crops_come_from_different_photographs_and_from_the_stream_alone(folder):
    photographs = folder_of(folder)
    one, two = (crops(photographs, 3, 8, (32, 64), True, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one, two)
    plain = crops(photographs, 3, 8, (32, 64), False, np.random.default_rng(0))
    assert len({round(image[0].mean().item(), 2) for image in plain}) == 3
    many = crops(photographs, 7, 8, (32, 64), True, np.random.default_rng(0))
    assert many.shape == (7, 3, 8, 8)
    for seed in range(20):
        many = crops(photographs, 8, 8, (32, 64), False, np.random.default_rng(seed))
        assert not torch.isclose(many[1:, 0].mean((1, 2)), many[:-1, 0].mean((1, 2)), atol=0.01).any()
    assert 0 <= one.min() <= one.max() <= 1
