import numpy as np
import pytest
from PIL import Image

from untaught.anomalies.draw import Drawer
from untaught.anomalies.foreground import largest, otsu, threshold
from untaught.anomalies.settings import AnomalySettings
from untaught.errors import ConfigError, MaskError

Y, X = np.mgrid[:160, :200]
DISC = (Y - 70) ** 2 + (X - 90) ** 2 < 50**2
DOT = (Y - 140) ** 2 + (X - 180) ** 2 < 10**2
HOLE = (Y - 70) ** 2 + (X - 90) ** 2 < 15**2


def picture(part, on=180, off=40):
    grey = np.where(part, on, off) + np.random.default_rng(0).normal(0, 4, part.shape)
    return np.repeat(grey.clip(0, 255)[..., None], 3, axis=2).astype(np.uint8)


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(("on", "off"), [(180, 40), (40, 180)], ids=["bright", "dark"])
def test_otsu_finds_the_object_whether_it_is_bright_or_dark(on, off):
    assert overlap(otsu(picture(DISC | DOT, on, off)), DISC | DOT) > 0.95


def test_the_largest_part_has_its_holes_filled_and_the_rest_is_left_out():
    assert overlap(largest(picture((DISC & ~HOLE) | DOT)), DISC) > 0.95


@pytest.mark.parametrize("find", [otsu, largest])
def test_of_one_tone_everything_is_the_object(find):
    assert find(np.full((40, 60, 3), 90, np.uint8)).all()


def test_the_threshold_is_otsus():
    histogram = np.bincount(np.random.default_rng(0).integers(0, 200, 500), minlength=256)
    levels = np.arange(256)

    def between(level):
        low, high = histogram[: level + 1].sum(), histogram[level + 1 :].sum()
        if not low or not high:
            return 0.0
        means = (histogram * levels)[: level + 1].sum() / low, (histogram * levels)[level + 1 :].sum() / high
        return low * high * (means[0] - means[1]) ** 2

    assert between(threshold(histogram)) == pytest.approx(max(map(between, range(256))))
    assert threshold(np.bincount([10] * 5 + [50] * 5, minlength=256)) == 29, "the middle of an empty valley"


@pytest.mark.parametrize("kind", ["perlin", "cutpaste", "scar", "shuffle", "simplex", "deform"])
@pytest.mark.parametrize("way", ["otsu", "largest", "file"])
def test_anomalies_lie_on_the_foreground(kind, way, tmp_path):
    Image.fromarray((DISC[::2, ::2] * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    choice = tmp_path / "mask.png" if way == "file" else way
    drawer, image = Drawer(AnomalySettings(kinds={kind: 1}, foreground=choice, size=(0.3, 0.6))), picture(DISC)
    masks = np.stack([drawer(image, np.random.default_rng(seed)).mask for seed in range(12)])
    assert masks.any(axis=(1, 2)).sum() >= 10
    assert not masks[:, ~drawer.foreground(image)].any()
    assert overlap(drawer.foreground(image), DISC) > 0.95


def test_without_a_foreground_they_lie_anywhere():
    drawer = Drawer(AnomalySettings(kinds={"cutpaste": 1}))
    assert drawer.foreground(picture(DISC)) is None
    masks = np.stack([drawer(picture(DISC), np.random.default_rng(seed)).mask for seed in range(60)])
    assert masks[:, ~DISC].any()


def test_a_mask_that_is_dark_or_none_is_refused_at_once(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "dark.png")
    with pytest.raises(ConfigError, match="dark everywhere"):
        Drawer(AnomalySettings(foreground=tmp_path / "dark.png"))
    with pytest.raises(MaskError):
        Drawer(AnomalySettings(foreground=tmp_path / "missing.png"))


def test_a_mask_that_was_drawn_anew_is_read_anew(tmp_path):
    file, image = tmp_path / "mask.png", picture(DISC)
    for part in (DISC, ~DISC):
        Image.fromarray((part * 255).astype(np.uint8)).save(file)
        assert np.array_equal(Drawer(AnomalySettings(foreground=file)).foreground(image), part)
