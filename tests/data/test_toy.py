import dataclasses

import numpy as np
import pytest

from untaught.data.base import to_evaluate, train_good
from untaught.data.flaws import KINDS
from untaught.data.folder import open_dataset
from untaught.data.toy import Toy, draw
from untaught.image import Recipe, read

SMALL = Toy(train=6, test_good=3, test_bad=12, size=64)


def test_samples():
    assert len(train_good(SMALL)) == 6
    assert len(to_evaluate(SMALL)) == 15
    count = {kind: sum(sample.kind == kind for sample in SMALL.samples) for kind in KINDS}
    assert len(KINDS) == 5
    assert sorted(count.values()) == [2, 2, 2, 3, 3]
    assert len({sample.name for sample in SMALL.samples}) == 21


def test_drawing_depends_on_seed_and_sample_only():
    again = dataclasses.replace(SMALL, train=2, test_bad=5)
    forwards = {sample.name: SMALL.source(sample) for sample in SMALL.samples}
    for sample in reversed(again.samples):
        np.testing.assert_array_equal(again.source(sample), forwards[sample.name])
    other = Toy(seed=1, train=6, test_good=3, test_bad=12, size=64)
    assert all((other.source(sample) != forwards[sample.name]).any() for sample in other.samples)
    prints = {SMALL.fingerprint(sample) for sample in SMALL.samples}
    assert len(prints) == 21
    assert dataclasses.replace(SMALL) == SMALL


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_exact(kind, size):
    """The same part without the flaw differs inside the mask, and nowhere outside but for the lens's one pixel."""
    for n in range(12):
        entropy = [4, 2, n]
        good, empty = draw(entropy, size)
        bad, mask = draw(entropy, size, kind)
        assert not empty.any()
        changed = np.abs(bad.astype(int) - good).max(axis=2)
        grown = mask.copy()
        for axis in (0, 1):
            grown |= np.roll(grown, 1, axis) | np.roll(grown, -1, axis)
            grown |= np.roll(grown, 1, axis) | np.roll(grown, -1, axis)
        assert mask.sum() >= 4
        assert mask.mean() < 0.12
        assert changed[~grown].max() <= 12
        assert np.median(changed[mask]) >= 3


def test_good_parts_vary_in_pose_and_light():
    images = np.stack([SMALL.source(sample) for sample in train_good(SMALL)]).astype(float)
    assert images.mean(axis=(1, 2, 3)).std() > 1
    assert images.std(axis=0).max() > 30


def test_as_a_data_set():
    bad = next(sample for sample in SMALL.samples if sample.defective)
    recipe = Recipe(height=32)
    np.testing.assert_array_equal(SMALL.image(bad, recipe), read(SMALL.source(bad), recipe))
    assert SMALL.mask(bad).shape == (64, 64)
    assert SMALL.mask(SMALL.samples[0]) is None
    assert (SMALL.name, Toy(seed=3).name, SMALL.root) == ("toy", "toy:3", None)
    assert "64 x 64" in SMALL.layout


def test_written_it_is_the_same_data_set(tmp_path):
    folder = SMALL.write(tmp_path / "toy line")
    data = open_dataset(folder)
    assert {sample.name for sample in data.samples} == {sample.name for sample in SMALL.samples}
    assert data.orphans == ()
    drawn = {sample.name: sample for sample in SMALL.samples}
    for sample in data.samples:
        np.testing.assert_array_equal(data.image(sample, Recipe(height=64)), SMALL.source(drawn[sample.name]))
        if sample.defective:
            np.testing.assert_array_equal(data.mask(sample), SMALL.mask(drawn[sample.name]))
    assert not list(folder.rglob(".*"))
