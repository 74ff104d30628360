import numpy as np

from untaught.anomalies.base import Box
from untaught.anomalies.settings import AnomalySettings
from untaught.anomalies.shape import blob, faded, radius, soften

BOX = Box(0, 0, 40, 60)


def test_the_radius_is_1_on_the_ellipse_that_touches_the_sides():
    squared = radius(Box(0, 0, 401, 201))
    assert squared[200, 100] < 1e-6
    assert abs(squared[200, 0] - 1) < 0.02
    assert abs(squared[0, 100] - 1) < 0.02
    assert squared[0, 0] > 1.9


def test_a_softer_edge_has_more_pixels_that_are_partly_covered():
    def partly(edge):
        covers = [blob(BOX, AnomalySettings(edge=(edge, edge)), np.random.default_rng(seed)) for seed in range(8)]
        return np.mean([((cover > 10) & (cover < 245)).mean() for cover in covers])

    assert partly(0.0) < partly(0.1) < partly(0.3)


def test_a_cover_without_softness_stays_as_it_is():
    cover = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    assert soften(cover, AnomalySettings(edge=(0.0, 0.0)), np.random.default_rng(0)) is cover


def test_fading_is_a_share_and_uncovers_nothing():
    cover = np.arange(256, dtype=np.uint8).reshape(16, 16)
    half = faded(cover, 0.5)
    assert np.abs(half - cover / 2).max() <= 1
    assert np.array_equal(faded(cover, 0.001) > 0, cover > 0)
    assert np.array_equal(faded(cover, 1.0), cover)
