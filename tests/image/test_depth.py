import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from untaught.image.depth import DepthRecipe, bilinear, centred, fill_holes, foreground, grow, plate, prepare

RECIPE = DepthRecipe()


def plane(height=80, width=100, tilt=(0.05, -0.03)):
    y, x = np.mgrid[:height, :width]
    return (0.5 + tilt[0] * y / height + tilt[1] * x / width).astype(np.float32)


def scene(**options):
    """A box 2 cm high on a tilted plate, and where it stands."""
    distance, box = plane(**options), np.zeros((80, 100), bool)
    box[20:60, 30:70] = True
    distance[box] -= 0.02
    return distance, box


def test_the_foreground_is_the_footprint_of_a_box_on_a_tilted_plate():
    distance, box = scene()
    part = foreground(distance, RECIPE.relief)
    assert np.array_equal(part, box)
    deep = centred(distance, part)
    assert abs(deep[box].mean()) < 1e-4
    assert (deep[~box] == 0).all()
    assert np.allclose(deep[box], 100 * (distance[box] - distance[box].mean()), atol=1e-4)


def test_the_plate_is_exact_on_planes():
    distance = plane()
    assert np.allclose(plate(distance), distance, atol=1e-6)


@pytest.mark.parametrize("corners", [1, 4])
def test_missing_corners_give_finite_numbers(corners):
    distance, box = scene()
    spots = [(slice(0, 6), slice(0, 6)), (slice(0, 6), slice(-6, None)), (slice(-6, None), slice(0, 6))]
    for rows, columns in [*spots, (slice(-6, None), slice(-6, None))][:corners]:
        distance[rows, columns] = 0
    assert np.array_equal(foreground(distance, RECIPE.relief), box)
    cells = prepare(distance, RECIPE, 64, 64)
    assert np.isfinite(cells).all()
    assert cells[..., 1].any()


def test_with_large_corners_missing_a_plane_is_fitted_to_the_border():
    distance, box = scene()
    distance[:16, :20] = distance[:16, -20:] = 0
    assert np.allclose(plate(distance), plane(), atol=1e-4)
    assert np.array_equal(foreground(distance, RECIPE.relief), box)


def test_without_a_part_everything_is_kept_around_the_median():
    distance = plane()
    cells = prepare(distance, RECIPE, 80, 80)
    assert not foreground(distance, RECIPE.relief).any()
    assert np.isfinite(cells).all()
    assert (cells[..., 1] == 1).all()
    deep = centred(distance, foreground(distance, RECIPE.relief))
    assert abs(np.median(deep)) < 1e-3
    assert deep.std() > 0.1


@pytest.mark.parametrize("distance", [np.zeros((9, 9), np.float32), np.full((9, 9), np.nan, np.float32)])
def test_with_nothing_measured_there_is_nothing(distance):
    cells = prepare(distance, RECIPE, 16, 16)
    assert not cells[..., 0].any()
    assert (cells[..., 1] == 1).all()


def test_without_a_part_in_the_region_the_region_counts_and_nothing_else():
    distance, box = scene()
    inside = np.zeros_like(box)
    inside[:, 80:] = True
    mask = prepare(distance, RECIPE, 80, 100, inside)[..., 1]
    assert (mask[:, 80:] == 1).all()
    assert not mask[:, :60].any()


def test_holes_are_filled_from_the_pixels_around_by_the_last_pass():
    values = np.array([[0, 0, 0, 0], [0, 2, 4, 0], [0, 0, 0, 0]], np.float32)
    once = fill_holes(values, 1)
    assert once.tolist() == [[2, 3, 3, 4], [2, 2, 4, 4], [2, 3, 3, 4]]
    wide = np.zeros((1, 9), np.float32)
    wide[0, 0] = 5
    assert fill_holes(wide).tolist() == [[5, 5, 5, 5, 0, 0, 0, 0, 0]]
    assert fill_holes(np.ones((3, 3), np.float32)).tolist() == [[1] * 3] * 3


def test_growing_and_resizing_are_those_of_others():
    rng = np.random.default_rng(0)
    mask = rng.random((30, 41)) > 0.98
    assert np.array_equal(grow(mask), binary_dilation(mask, np.ones((8, 8))))
    values = rng.random((37, 53)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], (24, 60), mode="bilinear")
    assert np.allclose(bilinear(values, (24, 60)), expected[0, 0].numpy(), atol=1e-5)


def test_the_input_step_by_step():
    distance, box = scene()
    distance[30, 40] = np.nan
    cells = prepare(distance, RECIPE, 64, 96)
    assert cells.shape == (64, 96, 2)
    assert cells.dtype == np.float32
    assert np.array_equal(cells, cells[::4, ::4].repeat(4, 0).repeat(4, 1))
    part = bilinear(box.astype(np.float32), (16, 24)) > 0
    assert np.array_equal(cells[::4, ::4, 1] > 0, grow(part))
    assert (cells[..., 0][cells[..., 1] == 0] == 0).all()
    assert (cells[::4, ::4, 0][grow(part) & ~part] == 0).all()


def test_moving_by_a_cell_of_the_features_moves_their_grid_by_one():
    depth = torch.rand(1, 1, 64, 64)
    unshuffled = torch.nn.functional.pixel_unshuffle(depth, 8)
    assert torch.equal(torch.nn.functional.pixel_shuffle(unshuffled, 8), depth)
    moved = torch.nn.functional.pixel_unshuffle(depth.roll(8, 3), 8)
    assert torch.equal(moved, unshuffled.roll(1, 3))
