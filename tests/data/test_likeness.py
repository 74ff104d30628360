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


def pairs(images):
    return near_pairs(np.stack([thumbnail(image) for image in images]))


def test_parts_of_one_line_are_not_copies_of_each_other():
    assert pairs(LINE) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda image: compressed(image, 75),
        lambda image: image.resize((128, 128), Image.Resampling.BICUBIC),
        lambda image: image.convert("L"),
        lambda image: image.rotate(0).point(lambda value: min(255, value + 1) if value % 3 == 0 else value),
    ],
    ids=["jpeg", "half size", "grey", "one level"],
)
def test_the_same_picture_in_another_guise_is_found(change):
    assert pairs([*LINE, change(LINE[5])]) == [(5, 24)]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.rotate(2),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.point(lambda value: value * 0.95),
    ],
    ids=["turned", "mirrored", "darker"],
)
def test_another_picture_of_the_same_part_is_not(change):
    assert pairs([*LINE, change(LINE[5])]) == []


def test_plain_sheets_that_differ_in_noise_only_are_not_copies():
    rng = np.random.default_rng(0)
    shade = np.linspace(100, 140, 128)[None, :]
    sheets = [Image.fromarray((shade + rng.normal(0, 3, (128, 128))).clip(0, 255).astype(np.uint8)) for _ in range(12)]
    assert pairs(sheets) == []
    assert pairs([*sheets, compressed(sheets[3], 95)]) == [(3, 12)]


def test_the_search_misses_no_pair():
    """Against comparing everything with everything."""
    rng = np.random.default_rng(1)
    base = rng.uniform(60, 190, (40, 1024))
    thumbs = np.concatenate([base, base[::3] + rng.normal(0, 0.5, base[::3].shape)]).astype(np.float16)
    found = near_pairs(thumbs)
    slow = [
        (i, j)
        for i in range(len(thumbs))
        for j in range(i + 1, len(thumbs))
        if np.abs(thumbs[i].astype(float) - thumbs[j]).mean() <= 0.6
    ]
    assert found == slow
    assert len(found) == 14


def test_thumbnails_of_any_size_and_of_one():
    for size in ((1, 1), (5, 900), (32, 32), (257, 255)):
        assert thumbnail(Image.new("RGB", size, (9, 9, 9))).shape == (1024,)
    assert near_pairs(np.zeros((1, 1024), np.float16)) == []
