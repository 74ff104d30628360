import numpy as np
import pytest

from untaught.contours import trace_contours
from untaught.regions import find_runs


def contours_of(mask):
    runs = find_runs(mask)
    first = np.unique(runs.label, return_index=True)[1]
    return trace_contours(mask, runs.row[first] * mask.shape[1] + runs.left[first])


def picture(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


def surface(contour):
    """Shoelace formula; positive for clockwise in a picture, where y points down."""
    x, y = contour[:, 0], contour[:, 1]
    return (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_one_pixel_is_its_four_corners():
    (contour,) = contours_of(picture("...", "..#"))
    assert contour.tolist() == [[3, 1], [3, 2], [2, 2], [2, 1]]


def test_points_in_line_are_left_out():
    (contour,) = contours_of(picture("####", "####"))
    assert sorted(contour.tolist()) == [[0, 0], [0, 2], [4, 0], [4, 2]]


def test_pixels_that_touch_at_a_corner_share_one_contour():
    (contour,) = contours_of(picture("#.#", ".#.", "#.#"))
    assert surface(contour) == 5
    assert len(contour) == 20


def test_outer_contour_of_a_ring_encloses_its_hole():
    (contour,) = contours_of(picture("####", "#..#", "####"))
    assert surface(contour) == 12


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_random_masks_against_scipy(density):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(0)
    for _ in range(60):
        mask = rng.random(rng.integers(1, 25, 2)) < density
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        contours = contours_of(mask)
        assert len(contours) == count
        for label, contour in enumerate(contours, 1):
            region = labels == label
            # With 8-connected regions the holes are what 4-connected background cannot leave.
            assert surface(contour) == ndimage.binary_fill_holes(region).sum()
            y, x = np.nonzero(region)
            assert contour.min(axis=0).tolist() == [x.min(), y.min()]
            assert contour.max(axis=0).tolist() == [x.max() + 1, y.max() + 1]
