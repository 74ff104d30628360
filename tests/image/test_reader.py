"""Decode and resize by one recipe."""

import io
import threading

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from untaught.image import Limits, Recipe, read, read_with_size
from untaught.image.reader import _steps


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_recipe_is_square_by_default_frozen_and_strict():
    assert (Recipe().height, Recipe().width) == (256, 256)
    assert Recipe(height=64) == Recipe(width=64) == Recipe(height=64, width=64)
    assert Recipe.model_validate_json(Recipe(height=64, width=96, white=4095).model_dump_json()).width == 96
    for wrong in ({"heigth": 3}, {"height": 0}, {"white": 70000}, {"max_pixels": 0}):
        with pytest.raises(ValidationError):
            Recipe(**wrong)
    with pytest.raises(ValidationError):
        Recipe().height = 3
    assert Limits().max_bytes == 2**28


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("side", [64, 96, 224])
def test_whole_steps_stay_within_tolerance_of_the_plain_resize(photo, mode, subsampling, side):
    data = jpeg(photo.convert(mode), quality=92, subsampling=subsampling)
    plain = Image.open(io.BytesIO(data)).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    difference = np.abs(read(data, Recipe(height=side)).astype(int) - np.asarray(plain))
    assert difference.mean() < 0.5
    assert difference.max() <= 8


def test_whole_steps_leave_no_border(photo):
    """Sides that no step divides must not shift or darken the edge."""
    odd = photo.crop((0, 0, 1021, 769))
    plain = np.asarray(odd.resize((48, 48), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(read(odd, Recipe(height=48)) - plain).max() <= 6


@pytest.mark.parametrize(("size", "target"), [((1024, 768), (64, 64)), ((97, 1000), (8, 10)), ((60, 60), (64, 64))])
def test_steps_divide_the_sides_and_leave_three_times_the_target(size, target):
    for side, step, wanted in zip(size, _steps(size, target), target, strict=True):
        assert side % step == 0
        assert step == 1 or side // step >= 3 * wanted


def test_resize_enlarges_and_ignores_the_aspect_ratio(rgb):
    image, size = read_with_size(rgb, Recipe(height=40, width=30))
    assert image.shape == (40, 30, 3)
    assert size == (17, 13)
    np.testing.assert_array_equal(read(rgb, Recipe(height=13, width=17)), rgb)


def test_size_is_that_of_the_upright_original_though_decoded_at_a_fraction(photo):
    exif = Image.Exif()
    exif[0x0112] = 8
    assert read_with_size(jpeg(photo, exif=exif), Recipe(height=32))[1] == (1024, 1536)


def test_grey_and_colour_of_the_same_picture_are_equal(photo):
    grey = photo.convert("L")
    np.testing.assert_array_equal(read(grey, Recipe(height=50)), read(grey.convert("RGB"), Recipe(height=50)))


def test_one_file_from_many_threads(photo, tmp_path):
    path = tmp_path / "part.jpg"
    path.write_bytes(jpeg(photo))
    wanted = read(path, Recipe(height=64))
    same = []

    def work():
        same.extend(np.array_equal(read(path, Recipe(height=64)), wanted) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 12
