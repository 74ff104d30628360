import io

import numpy as np
import pytest
from PIL import Image

from untaught.data.likeness import near_pairs, thumbnail
from untaught.data.toy import Toy

LINE = [Image.fromarray(Toy().source(sample)) for sample in Toy(train=24, test_good=0, test_bad=0).samples]


def compressed(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def brighter(image, levels):
    return image.point(lambda value: min(255, value + levels))


def shifted(image):
    return Image.fromarray(np.roll(np.asarray(image), (1, -1), (0, 1)))


def found(images):
    return near_pairs(np.stack([thumbnail(image) for image in images]))


def pairs(images):
    return [pair[:2] for pair in found(images)]


def test_parts_of_one_line_are_not_copies_of_each_other():
    assert pairs(LINE) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda image: compressed(image, 75),
        lambda image: compressed(image, 50),
        lambda image: image.resize((128, 128), Image.Resampling.BICUBIC),
        lambda image: image.convert("L"),
        lambda image: brighter(image, 3),
        lambda image: image.point(lambda value: value * 0.97),
        shifted,
        lambda image: compressed(brighter(shifted(image), 3), 50),
    ],
    ids=["jpeg", "coarse jpeg", "half size", "grey", "brighter", "gain", "shifted", "all at once"],
)
def test_the_same_picture_in_another_guise_is_found(change):
    pair, *others = found([*LINE, change(LINE[5])])
    assert others == []
    assert pair[:2] == (5, 24)
    assert pair.again


def test_a_part_photographed_again_in_other_light_is_told_from_a_copy():
    pair, *others = found([*LINE, LINE[5].point(lambda value: value * 0.7)])
    assert others == []
    assert pair[:2] == (5, 24)
    assert pair.gain == pytest.approx(0.7, abs=0.02)
    assert not pair.again


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.rotate(2),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.point(lambda value: 255 - value),
    ],
    ids=["turned", "mirrored", "negative"],
)
def test_another_picture_of_the_same_part_is_not(change):
    assert pairs([*LINE, change(LINE[5])]) == []


def test_plain_sheets_that_differ_in_noise_only_are_not_copies():
    rng = np.random.default_rng(0)
    shade = np.linspace(100, 140, 128)[None, :]
    sheets = [Image.fromarray((shade + rng.normal(0, 3, (128, 128))).clip(0, 255).astype(np.uint8)) for _ in range(12)]
    assert pairs(sheets) == []
    assert pairs([*sheets, compressed(sheets[3], 95)]) == [(3, 12)]


def test_the_search_in_blocks_finds_what_comparing_each_with_each_by_scipy_does():
    from scipy.ndimage import convolve1d
    from scipy.optimize import lsq_linear

    rng = np.random.default_rng(1)
    base = rng.uniform(60, 190, (70, 32, 32))  # more than a block
    again = base[::7] * 1.02 + 2 + rng.normal(0, 1.2, base[::7].shape)
    thumbs = np.concatenate([base, again]).astype(np.float16)
    smooth = thumbs.astype(float)
    for axis in (1, 2):
        smooth = convolve1d(smooth, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    inner = smooth[:, 1:-1, 1:-1].reshape(len(smooth), -1)
    slow = []
    for j in range(70, 80):
        for i in range(70):
            down, across = (slope[1:-1, 1:-1].ravel() for slope in np.gradient(smooth[i]))
            terms = np.stack([np.ones(900), inner[i], across, down], axis=1)
            left = terms @ lsq_linear(terms, inner[j]).x - inner[j]
            if np.sqrt((left**2).mean()) <= 0.6:
                slow.append((i, j))
    assert sorted(slow) == [(7 * k, 70 + k) for k in range(10)]
    assert [pair[:2] for pair in near_pairs(thumbs.reshape(80, -1))] == sorted(slow)


def test_thumbnails_of_any_size_and_of_one():
    for size in ((1, 1), (5, 900), (32, 32), (257, 255)):
        assert thumbnail(Image.new("RGB", size, (9, 9, 9))).shape == (1024,)
    assert near_pairs(np.zeros((1, 1024), np.float16)) == []
