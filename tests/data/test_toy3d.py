import numpy as np
import pytest

from untaught.data import moulding
from untaught.data.folder import open_dataset
from untaught.data.toy3d import Toy3D
from untaught.image.depth import DepthRecipe, fill_holes, foreground

SMALL = Toy3D(train=3, test_good=2, test_bad=8, size=64)


def test_samples_and_names():
    assert [sample.split for sample in SMALL.samples].count("train") == 3
    assert sorted({sample.kind for sample in SMALL.samples}) == ["bump", "dent", "good", "hole", "stain"]
    assert len({sample.name for sample in SMALL.samples}) == 13
    assert open_dataset("toy3d:4").name == "toy3d:4"
    assert isinstance(open_dataset("toy3d"), Toy3D)


@pytest.mark.parametrize("kind", moulding.KINDS)
def test_a_flaw_shows_in_its_own_input_only(kind):
    for number in range(4):
        good, bad = (moulding.draw([3, 2, number], 128, its) for its in ("good", kind))
        seen = (good.distance != 0) & (bad.distance != 0)
        deeper = np.where(seen, np.abs(bad.distance - good.distance), 0)
        colour = np.abs(bad.image.astype(int) - good.image).max(axis=2)
        inside = bad.footprint
        assert inside.sum() > 8
        assert deeper[~inside].max() < 3e-4
        assert colour[~inside].max() <= 16
        if kind == "stain":
            assert deeper.max() == 0
            assert np.median(colour[inside]) >= 3
        else:
            assert colour.max() == 0
            assert deeper[inside].max() > 5e-4
        assert not good.footprint.any()


def test_a_part_stands_out_from_its_plate_and_the_sensor_loses_some_values():
    corner = 0
    for number in range(20):
        made = moulding.draw([0, 0, number], 64)
        lost = (made.distance == 0).mean()
        assert 0.005 < lost < 0.15
        corner += bool((made.distance[:4, :4] == 0).all() or (made.distance[-4:, :4] == 0).all())
        part = foreground(fill_holes(made.distance), DepthRecipe().relief)
        assert 0.1 < part.mean() < 0.4
    assert 1 <= corner <= 8


def test_drawn_again_it_is_the_same_and_another_seed_is_not():
    sample = SMALL.samples[0]
    assert np.array_equal(SMALL.depth(sample), SMALL.depth(sample))
    other = Toy3D(seed=1, train=3, test_good=2, test_bad=8, size=64)
    assert SMALL.fingerprint(sample) == Toy3D(train=1, size=64).fingerprint(sample) != other.fingerprint(sample)


def test_written_and_read_again(tmp_path):
    dataset = open_dataset(SMALL.write(tmp_path / "covers"))
    assert dataset.layout.startswith("MVTec 3D-AD")
    assert [sample.name for sample in dataset.samples] == sorted(
        (sample.name for sample in SMALL.samples), key=lambda name: (name.startswith("test"), name)
    )
    drawn = {sample.name: sample for sample in SMALL.samples}
    for sample in dataset.samples:
        assert np.array_equal(np.load(dataset.depth(sample)), SMALL.depth(drawn[sample.name]))
        assert (sample.mask_path is not None) == sample.defective
        if sample.defective:
            assert np.array_equal(dataset.mask(sample), SMALL.mask(drawn[sample.name]))
