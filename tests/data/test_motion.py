"""Shifts and turns that were made are found, and nothing is said of textures."""

import numpy as np
import pytest
from PIL import Image

from untaught.data import motion
from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.data.toy import draw

PART = Image.fromarray(draw([0, 0, 0], 128)[0]).convert("L")
GROUND = int(np.median(np.asarray(PART)[:8]))


def moved(angle=0.0, x=0, y=0, part=PART):
    return part.rotate(angle, Image.Resampling.BICUBIC, translate=(x, y), fillcolor=GROUND)


def seen(image):
    pixels = motion.picture(image).astype(np.float64)
    return (pixels - pixels.mean()) * motion._WINDOW


@pytest.mark.parametrize("angle", [0, 15, 45, 90, 170, 260])
def test_a_turn_is_found(angle):
    found = motion.register(seen(moved(angle)), seen(PART))
    assert abs((found[2] + angle + 180) % 360 - 180) <= 2
    assert found[3] > 0.95


def test_a_shift_is_found():
    x, y, angle, fit = motion.register(seen(moved(x=12, y=-8)), seen(PART))
    assert (x, y, angle) == (pytest.approx(-6, abs=1), pytest.approx(4, abs=1), 0)
    assert fit > 0.8


def test_how_far_parts_lie_from_the_usual_place():
    rng = np.random.default_rng(0)
    parts = [Image.fromarray(draw([0, 0, n], 128)[0]).convert("L") for n in range(24)]
    still = motion.estimate(np.stack([motion.picture(part) for part in parts]))
    assert still.shift <= 0.05
    assert still.angle <= 5
    assert still.share == 1
    turned = [moved(rng.uniform(-40, 40), part=part) for part in parts]
    found = motion.estimate(np.stack([motion.picture(part) for part in turned]))
    assert 25 < found.angle < 55
    shifted = [moved(x=int(rng.integers(-20, 21)), part=part) for part in parts]
    found = motion.estimate(np.stack([motion.picture(part) for part in shifted]))
    assert 0.1 < found.shift < 0.2
    assert found.angle <= 5


def test_nothing_is_said_of_grain_or_of_a_handful():
    grain = np.random.default_rng(0).normal(128, 40, (20, 64, 64)).astype(np.float16)
    assert motion.estimate(grain) is None
    assert motion.estimate(np.repeat(motion.picture(PART)[None], 7, axis=0)) is None


def test_the_aspect_ratio_is_kept():
    tall = motion.picture(Image.new("L", (40, 80), 200))
    assert tall.shape == (64, 64)
    assert np.all(tall == 200)


def test_doctor_warns_of_moving_parts_and_only_of_these(tmp_path):
    rng = np.random.default_rng(0)
    for name, most in (("still", 0), ("moving", 60)):
        (tmp_path / name / "good").mkdir(parents=True)
        for n in range(16):
            part = Image.fromarray(draw([0, 0, n], 128)[0]).convert("L")
            moved(rng.uniform(-most, most), part=part).save(tmp_path / name / "good" / f"{n}.png")
    still, moving = (examine(open_dataset(tmp_path / name)).findings for name in ("still", "moving"))
    assert "moving-parts" not in {finding.code for finding in still}
    finding = next(finding for finding in moving if finding.code == "moving-parts")
    assert finding.severity == "warning"
    assert "turned by up to" in finding.what
    Image.new("L", (50, 50), 9).save(tmp_path / "moving/good/other.png")
    Image.fromarray(rng.integers(0, 255, (50, 60)).astype(np.uint8)).save(tmp_path / "moving/good/another.png")
    assert "moving-parts" not in {finding.code for finding in examine(open_dataset(tmp_path / "moving")).findings}
