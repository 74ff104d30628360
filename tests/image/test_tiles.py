"""Tiles cover a picture, and their maps come together without a seam."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from untaught.image.recipe import Recipe
from untaught.image.tiles import Tiling, corners, cut, join, starts, weights

sizes = st.integers(64, 300)


@given(length=sizes, overlap=st.integers(0, 32))
def test_tiles_reach_both_ends_with_at_least_the_wanted_overlap(length, overlap):
    found = starts(length, 64, overlap)
    assert found[0] == 0
    assert found[-1] == length - 64
    assert all(0 < b - a <= 64 - overlap for a, b in pairwise(found))
    assert len(found) <= 1 + np.ceil((length - 64) / (64 - overlap)), "no more than needed"


@pytest.mark.parametrize(("length", "expected"), [(256, [0]), (257, [0, 1]), (512, [0, 128, 256]), (480, [0, 224])])
def test_starts_by_hand(length, expected):
    assert starts(length, 256, 32) == expected


@given(height=sizes, width=sizes, overlap=st.integers(0, 32))
def test_the_weights_sum_to_one(height, width, overlap):
    tiling = Tiling(side=64, overlap=overlap)
    ones = np.ones((len(corners(height, width, tiling)), 64, 64), np.float32)
    np.testing.assert_allclose(join(ones, height, width, tiling), 1, atol=1e-6)


@given(height=sizes, width=sizes)
def test_what_was_cut_comes_together_again(height, width):
    tiling = Tiling(side=64, overlap=16)
    picture = np.random.default_rng(0).normal(size=(height, width)).astype(np.float32)
    np.testing.assert_allclose(join(cut(picture, tiling), height, width, tiling), picture, atol=1e-5)


def test_a_tile_counts_little_where_it_ends():
    """Neighbours that disagree by 1 give a slope over the overlap, not a step."""
    tiling = Tiling(side=64, overlap=16)
    maps = np.zeros((2, 64, 64), np.float32)
    maps[1] = 1
    joined = join(maps, 64, 112, tiling)
    assert joined[:, :48].max() == 0
    assert joined[:, 64:].min() == 1
    steps = np.diff(joined, axis=1)
    assert steps.min() >= 0
    assert steps.max() <= 1.7 / 16


def test_cut_takes_channels_along():
    picture = np.arange(80 * 100 * 3).reshape(80, 100, 3)
    tiles = cut(picture, Tiling(side=64, overlap=0))
    assert tiles.shape == (4, 64, 64, 3)
    assert np.array_equal(tiles[3], picture[16:, 36:])


def test_weights_of_the_rim_are_whole():
    first = weights(64, 100, Tiling(side=64, overlap=16))[0]
    assert first[0].min() == 1
    assert first[1][0] == 1
    assert first[1][-1] < 0.01


def test_a_recipe_knows_its_tiles():
    recipe = Recipe(height=512, width=300, tiling=Tiling(side=256, overlap=32))
    assert (recipe.tiles, recipe.input_size) == (6, (256, 256))
    assert (Recipe(height=40, width=50).tiles, Recipe(height=40, width=50).input_size) == (1, (40, 50))
    with pytest.raises(ValidationError, match="tiles of 256"):
        Recipe(height=200, width=300, tiling=Tiling(side=256, overlap=32))
    with pytest.raises(ValidationError, match="half of their side"):
        Tiling(side=64, overlap=33)
