import numpy as np
import pytest

from untaught.data.base import to_evaluate, train_good
from untaught.data.folder import open_dataset
from untaught.errors import DataError, ImageError, MaskError
from untaught.image import Limits, Recipe


@pytest.fixture
def product(put, put_mask, tmp_path):
    for n in range(3):
        put(f"brace ü/train/good/{n:03}.png")
    put("brace ü/train/good/003.TIF")
    put("brace ü/test/good/000.bmp")
    put("brace ü/test/big scratch/000.jpg")
    put("brace ü/test/big scratch/001.png")
    put("brace ü/test/dent/000.png")
    put_mask("brace ü/ground_truth/big scratch/000_mask.png")
    put_mask("brace ü/ground_truth/big scratch/001_mask.png")
    put_mask("brace ü/ground_truth/big scratch/007_mask.png")
    put_mask("brace ü/ground_truth/gone/000_mask.png")
    return tmp_path / "brace ü"


def test_layout(product):
    data = open_dataset(product)
    assert data.name == "brace ü"
    assert data.layout == "MVTec AD layout"
    assert data.root == product
    assert [sample.name for sample in train_good(data)] == [
        "train/good/000.png",
        "train/good/001.png",
        "train/good/002.png",
        "train/good/003.TIF",
    ]
    assert [(sample.name, sample.kind, sample.mask_path is not None) for sample in to_evaluate(data)] == [
        ("test/big scratch/000.jpg", "big scratch", True),
        ("test/big scratch/001.png", "big scratch", True),
        ("test/dent/000.png", "dent", False),
        ("test/good/000.bmp", "good", False),
    ]
    assert [path.relative_to(product).as_posix() for path in data.orphans] == [
        "ground_truth/big scratch/007_mask.png",
        "ground_truth/gone/000_mask.png",
    ]


@pytest.mark.parametrize("name", ["Good", "ok", "Normal"])
def test_good_images_are_good_however_their_folder_is_called(product, name):
    (product / "test/good").rename(product / "test" / name)
    assert [sample.name for sample in to_evaluate(open_dataset(product)) if not sample.defective] == [
        f"test/{name}/000.bmp"
    ]


def test_images_masks_and_fingerprints(product):
    data = open_dataset(product)
    scratch = next(sample for sample in data.samples if sample.mask_path)
    assert data.image(scratch, Recipe(height=8)).shape == (8, 8, 3)
    np.testing.assert_array_equal(data.mask(scratch)[:3, :3], True)
    assert data.mask(scratch).sum() == 9
    assert data.mask(data.samples[0]) is None
    prints = [data.fingerprint(sample) for sample in data.samples]
    assert len(set(prints)) == len(prints)
    assert len(prints[0]) == 64
    data.samples[0].path.unlink()
    scratch.mask_path.write_text("no image")
    assert data.fingerprint(data.samples[0]) == "unreadable:train/good/000.png"
    with pytest.raises(ImageError, match=r"000\.png"):
        data.image(data.samples[0], Recipe())
    with pytest.raises(MaskError, match=r"000_mask\.png"):
        data.mask(scratch)


def test_without_test_split(put, tmp_path):
    put("train/good/000.png")
    data = open_dataset(tmp_path)
    assert "no test split" in data.layout
    assert to_evaluate(data) == ()


def test_without_good_images(put, tmp_path):
    put("test/dent/000.png")
    (tmp_path / "train" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match="no good images"):
        open_dataset(tmp_path)


def test_a_folder_of_products_is_read_as_all_of_them(put, tmp_path):
    put("bottle/train/good/0.png")
    put("screw/train/good/0.png")
    assert list(open_dataset(tmp_path).parts) == ["bottle", "screw"]


def test_a_folder_around_one_product_names_it(put, tmp_path):
    put("bottle/train/good/0.png")
    with pytest.raises(DataError, match=r"one data set \(bottle\).*name .*bottle"):
        open_dataset(tmp_path)


def test_what_the_decoder_would_refuse_is_not_read_for_its_fingerprint(product):
    data = open_dataset(product)
    sample = data.samples[0]
    assert data.fingerprint(sample, Limits(max_bytes=10)) == f"unreadable:{sample.name}"
