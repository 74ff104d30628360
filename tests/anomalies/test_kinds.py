"""What makes each kind what it is."""

import numpy as np
import pytest

from untaught.anomalies import cutpaste, deform, perlin, scar, shuffle, simplex
from untaught.anomalies.base import Scene
from untaught.anomalies.settings import PAPER, AnomalySettings
from untaught.anomalies.texture import drawn

SEEDS = range(20)


def scene(image, **settings):
    return Scene(image, None, drawn, AnomalySettings(**settings), grey=False)


def unlike(height=64, width=64):
    """Every pixel has a colour of its own."""
    number = np.arange(height * width).reshape(height, width)
    return np.stack([number % 256, number // 256, (number * 7) % 256], axis=2).astype(np.uint8)


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("draw", [perlin.draw, cutpaste.draw, scar.draw, shuffle.draw, simplex.draw, deform.draw])
def test_a_patch_fills_its_box_inside_the_image(draw):
    image = unlike(50, 70)
    for seed in SEEDS:
        box, pixels, cover = draw(scene(image), rng(seed))
        assert pixels.shape == (box.height, box.width, 3)
        assert cover.shape == (box.height, box.width)
        assert min(box.top, box.left, 50 - box.top - box.height, 70 - box.left - box.width) >= 0


@pytest.mark.parametrize("draw", [perlin.draw, simplex.draw, deform.draw])
def test_spots_end_inside_their_box(draw):
    for seed in SEEDS:
        cover = draw(scene(unlike(), size=(0.4, 0.6), edge=(0.0, 0.0)), rng(seed)).cover
        assert max(cover[0, 0], cover[0, -1], cover[-1, 0], cover[-1, -1]) == 0, "its corners lie beyond the ellipse"


def test_a_cut_piece_is_a_piece_of_the_image():
    image = unlike()
    own = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    patches = [cutpaste.draw(scene(image), rng(seed)) for seed in SEEDS]
    plain = [patch for patch in patches if {tuple(pixel) for pixel in patch.pixels.reshape(-1, 3)} <= own]
    assert 4 <= len(plain) <= 16, "half of them are in another light"


def test_a_shuffle_moves_every_tile_and_adds_none():
    image = unlike()
    for seed in SEEDS:
        box, pixels, _ = shuffle.draw(scene(image, size=(0.3, 0.6)), rng(seed))
        before = box.cut(image)
        assert sorted(map(tuple, pixels.reshape(-1, 3))) == sorted(map(tuple, before.reshape(-1, 3)))
        assert not (pixels == before).all(axis=2).any(), "where no two pixels are alike none stays where it was"


def test_a_deformation_takes_every_tone_from_its_surroundings_but_for_the_shading():
    for seed in SEEDS:
        flat = deform.draw(scene(np.full((64, 64, 3), 90, np.uint8), contrast=(0.0, 0.0)), rng(seed))
        assert (flat.pixels == 90).all()
    shaded = [deform.draw(scene(np.full((64, 64, 3), 90, np.uint8)), rng(seed)).pixels for seed in SEEDS]
    assert any((pixels > 95).any() and (pixels < 85).any() for pixels in shaded), "one flank lit, the other dark"


def test_scars_are_thin():
    for seed in SEEDS:
        cover = scar.draw(scene(unlike(), size=(0.5, 0.6)), rng(seed)).cover
        assert (cover > 0).any()
        assert (cover > 127).sum() < 0.5 * max(cover.shape) ** 2


@pytest.mark.parametrize("darker", [True, False])
def test_stains_on_black_are_lighter_and_on_white_darker(darker):
    value = 255 if darker else 0
    for seed in SEEDS:
        patch = simplex.draw(scene(np.full((64, 64, 3), value, np.uint8), contrast=(60.0, 60.0)), rng(seed))
        assert (patch.pixels.mean() < 230) if darker else (patch.pixels.mean() > 25)


def test_the_published_outline_is_the_noise_above_its_threshold():
    settings = AnomalySettings(**PAPER | {"perlin": {"whole": True, "rotation": 0.0, "octaves": (2, 2)}})
    whole = Scene(unlike(), None, drawn, settings, grey=False)
    for seed in SEEDS:
        from untaught.anomalies.noise import perlin as noise

        cover = perlin.published(whole.whole, settings.perlin, rng(seed))
        random = rng(seed)
        random.integers(2, 3, 2)
        assert np.array_equal(cover > 0, noise(64, 64, (4, 4), random) > 0.5)
        patch = perlin.draw(whole, rng(seed))
        assert (patch.cover > 0).sum() == (cover > 0).sum()
        if cover.any():
            assert patch.cover[0].any()
            assert patch.cover[:, -1].any(), "its box is as small as can be"


def test_rotation_turns_the_outline():
    still, turning = (
        AnomalySettings(**PAPER | {"perlin": {"whole": True, "rotation": degrees, "octaves": (2, 2)}}).perlin
        for degrees in (0.0, 90.0)
    )
    box = scene(unlike()).whole
    for seed in SEEDS:
        covers = [perlin.published(box, settings, rng(seed)) for settings in (still, turning)]
        assert not np.array_equal(*covers)
