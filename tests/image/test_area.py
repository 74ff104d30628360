"""What lies outside the area is never seen."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from untaught.errors import ConfigError
from untaught.image import Area, Recipe, read

INSIDE = np.zeros((24, 32), np.bool_)
INSIDE[4:20, 8:28] = True
AREA = Area.of(INSIDE, (10, 20, 30))


def test_the_mask_survives_the_card():
    recipe = Recipe(height=24, width=32, area=AREA)
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert np.array_equal(again.area.inside, INSIDE)


def test_what_is_read_has_the_fill_outside_and_the_picture_inside(rgb):
    plain = read(rgb, Recipe(height=24, width=32))
    painted = read(rgb, Recipe(height=24, width=32, area=AREA))
    assert np.array_equal(painted[INSIDE], plain[INSIDE])
    assert np.array_equal(np.unique(painted[~INSIDE], axis=0), [[10, 20, 30]])


def test_a_map_is_lowest_outside():
    scores = np.random.default_rng(0).normal(size=INSIDE.shape).astype(np.float32)
    silent = AREA.silence(scores)
    assert np.array_equal(silent[INSIDE], scores[INSIDE])
    assert np.all(silent[~INSIDE] == scores[INSIDE].min())
    assert silent.dtype == np.float32


def png(mask, mode="1"):
    file = io.BytesIO()
    Image.fromarray(mask).convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("png", "word"),
    [
        (png(~INSIDE), "sha256"),
        (png(np.zeros_like(INSIDE)), "no pixel"),
        (png(INSIDE, "RGB"), "RGB"),
        ("bm90IGFuIGltYWdl", "does not decode"),
        ("§", "string argument"),
    ],
)
def test_a_changed_mask_is_refused(png, word):
    with pytest.raises(ValidationError, match=word):
        Area(png=png, sha256=AREA.sha256)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValidationError, match="32 x 24"):
        Recipe(height=24, width=24, area=AREA)


def test_each_product_may_have_an_area_of_its_own():
    left, right = np.zeros((2, 4, 6), np.bool_)
    left[:, :3], right[:, 3:] = True, True
    areas = {"cap": Area.of(left, (1, 2, 3)), "ring": Area.of(right, (4, 5, 6))}
    recipe = Recipe(height=4, width=6, areas=areas)
    assert recipe.of("ring") == Recipe(height=4, width=6, area=areas["ring"])
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    alike = Recipe(height=4, width=6, area=areas["cap"])
    assert alike.of("") is alike.of("anything") is alike
    for name in ("", "cup"):
        with pytest.raises(ConfigError, match="one of cap, ring"):
            recipe.of(name)
    with pytest.raises(ValueError, match="beside those of single ones"):
        Recipe(height=4, width=6, area=areas["cap"], areas=areas)
    with pytest.raises(ValueError, match="6 x 4 px of a picture of 7 x 4"):
        Recipe(height=4, width=7, areas=areas)
