"""What every kind of drawn anomaly owes whoever learns from it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from untaught.anomalies.draw import Drawer, is_grey
from untaught.anomalies.settings import KINDS, PAPER, AnomalySettings
from untaught.data.toy import draw
from untaught.errors import ImageError
from untaught.records import GOOD

IMAGES = [draw([0, 0, number], 96)[0] for number in range(4)]
WAYS = {kind: {"kinds": {kind: 1.0}} for kind in KINDS} | {"paper": dict(PAPER), "mix": {}}


def pairs(image, count=30, others=IMAGES[1:], **settings):
    drawer = Drawer(AnomalySettings(**settings))
    return [drawer(image, np.random.default_rng(seed), others) for seed in range(count)]


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("image", [IMAGES[0], noise(37, 91), noise(80, 20)], ids=["part", "wide", "tall"])
def test_both_images_agree_where_the_mask_is_not_and_only_there(way, image):
    before = image.copy()
    for pair in pairs(image, others=[image[::-1].copy()], **WAYS[way]):
        assert (pair.defect.dtype, pair.mask.dtype) == (np.uint8, np.bool_)
        assert np.array_equal(pair.mask, (pair.defect != image).any(axis=2))
        assert pair.image is image or np.array_equal(pair.image, image)
        assert pair.kind == GOOD or pair.mask.sum() >= 5
    assert np.array_equal(image, before), "the image given is left as it is"


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_nearly_always_shows_and_never_twice_alike(way):
    drawn = pairs(IMAGES[0], **WAYS[way])
    found = [pair for pair in drawn if pair.kind != GOOD]
    assert len(found) >= 29
    assert len({pair.defect.tobytes() for pair in found}) == len(found)
    assert way not in KINDS or {pair.kind for pair in found} == {way}


@pytest.mark.parametrize("way", WAYS)
def test_a_draw_depends_on_its_generator_alone_however_many_threads_draw(way):
    drawer = Drawer(AnomalySettings(**WAYS[way]))

    def one(seed):
        pair = drawer(IMAGES[seed % 4], np.random.default_rng(seed), IMAGES)
        return pair.kind, pair.defect.tobytes(), pair.mask.tobytes()

    alone = [one(seed) for seed in range(24)]
    np.random.seed(7)  # noqa: NPY002 - the global stream must not matter
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, reversed(range(24)))) == alone[::-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0.1, 0.4])
def test_no_anomaly_is_longer_than_the_set_share_of_the_shorter_side(kind, size):
    for pair in pairs(noise(80, 120), kinds={kind: 1}, size=(size, size)):
        for axis in (0, 1):
            where = np.flatnonzero(pair.mask.any(axis=axis))
            assert not len(where) or np.ptp(where) + 1 <= round(size * 80)


def test_kinds_come_as_often_as_their_weights_say():
    counts = Counter(pair.kind for pair in pairs(IMAGES[0], 600, kinds={"scar": 3, "perlin": 1, "deform": 0}))
    assert counts["deform"] == 0
    assert 0.68 < counts["scar"] / 600 < 0.82


def test_a_set_share_of_images_stays_clean():
    drawn = pairs(IMAGES[0], 500, clean=0.2, kinds={"cutpaste": 1})
    clean = [pair for pair in drawn if pair.kind == GOOD]
    assert 0.14 < len(clean) / 500 < 0.26
    assert all(not pair.mask.any() and np.array_equal(pair.defect, IMAGES[0]) for pair in clean)
    assert {pair.kind for pair in pairs(IMAGES[0], 5, clean=1.0)} == {GOOD}


@pytest.mark.parametrize("opacity", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("whole", [False, True])
def test_opacity_is_the_share_of_what_is_drawn(opacity, whole):
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    settings = {**PAPER, "augment": 0, "opacity": (opacity, opacity), "size": (0.5, 0.6), "perlin": {"whole": whole}}
    for pair in pairs(black, 10, [white], **settings):
        assert pair.defect.max() == pytest.approx(255 * opacity, abs=1)
        assert not whole or set(np.unique(pair.defect)) == {0, pair.defect.max()}


def test_the_papers_opacity_is_uniform_between_a_fifth_and_all():
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    shares = np.array([pair.defect.max() / 255 for pair in pairs(black, 400, [white], **PAPER | {"augment": 0})])
    shares = shares[shares > 0]
    assert 0.19 < shares.min() < 0.23
    assert 0.97 < shares.max() <= 1
    assert abs(shares.mean() - 0.6) < 0.04


def test_what_changes_too_little_or_too_few_pixels_is_drawn_anew_or_not_at_all():
    faint = {"kinds": {"simplex": 1}, "contrast": (3, 3)}
    assert {pair.kind for pair in pairs(IMAGES[0], 5, visible=40.0, **faint)} == {GOOD}
    for pair in pairs(IMAGES[0], visible=12.0, least=60):
        change = np.abs(pair.defect.astype(int) - pair.image).max(axis=2)
        assert pair.kind == GOOD or (change[pair.mask].mean() >= 12 and pair.mask.sum() >= 60)


def test_on_a_grey_image_anomalies_are_grey_unless_colour_is_wanted():
    grey, colour = np.repeat(noise(64, 64)[..., :1], 3, axis=2), [noise(64, 64)]
    assert is_grey(grey)
    assert not is_grey(colour[0])
    assert all(is_grey(pair.defect) for pair in pairs(grey, others=colour))
    settings = {"kinds": {"perlin": 1}, "texture": "images", "colour": (1, 1)}
    assert any(not is_grey(pair.defect) for pair in pairs(grey, others=colour, match_grey=False, **settings))


def test_a_texture_keeps_the_set_share_of_its_colour():
    red, black = np.zeros((48, 48, 3), np.uint8), np.zeros((48, 48, 3), np.uint8)
    red[..., 0] = 200
    settings = {**PAPER, "augment": 0, "opacity": (1, 1)}
    for share in (0.0, 0.5, 1.0):
        strongest = np.stack(
            [pair.defect.max((0, 1)) for pair in pairs(black, 5, [red], **settings | {"colour": (share, share)})]
        )
        grey = 0.299 * 200
        assert np.allclose(strongest, [grey + share * (200 - grey), *[grey * (1 - share)] * 2], atol=1)


@pytest.mark.parametrize(
    "image",
    [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 3)), noise(1, 40), noise(0, 40)],
    ids=["grey", "alpha", "floats", "a row", "empty"],
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ImageError, match=r"\(h, w, 3\) of uint8"):
        Drawer(AnomalySettings())(image, np.random.default_rng(0))


def test_two_pixels_are_enough_to_draw_on():
    for seed in range(40):
        pair = Drawer(AnomalySettings(kinds={"deform": 1}))(noise(2, 2), np.random.default_rng(seed))
        assert np.array_equal(pair.mask, (pair.defect != pair.image).any(axis=2))
