import shutil

import numpy as np
import pytest
from PIL import Image

from untaught.data.base import require_depth, source_of
from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.data.split import GoodSplit, calibrated_by
from untaught.errors import DataError
from untaught.image import DepthRecipe, Recipe, WithDepth


def put(root, place, number, mask=False, depth="npy", shape=(16, 16)):
    rng = np.random.default_rng([number, len(place)])
    for folder in ("rgb", "xyz", "gt"):
        (root / place / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(root / place / "rgb" / f"{number:03}.png")
    if depth == "npy":
        np.save(root / place / "xyz" / f"{number:03}.npy", rng.random(shape, np.float32) + 0.3)
    elif depth == "png":
        Image.fromarray(rng.integers(300, 900, shape).astype(np.uint16)).save(root / place / "xyz" / f"{number:03}.png")
    if mask:
        Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(root / place / "gt" / f"{number:03}.png")


@pytest.fixture
def root(tmp_path):
    for number in range(6):
        put(tmp_path, "train/good", number)
    for number in range(3):
        put(tmp_path, "validation/good", number, depth="png")
    put(tmp_path, "test/good", 0, mask=True)
    put(tmp_path, "test/crack", 0, mask=True)
    return tmp_path


def test_images_with_their_depth_and_masks(root):
    dataset = open_dataset(root)
    assert dataset.layout == "MVTec 3D-AD layout"
    assert [sample.split for sample in dataset.samples] == ["train"] * 6 + ["validation"] * 3 + ["test"] * 2
    assert all(sample.depth_path.stem == sample.path.stem for sample in dataset.samples)
    masks = {sample.kind: sample.mask_path for sample in dataset.samples if sample.split == "test"}
    assert masks == {"good": None, "crack": root / "test/crack/gt/000.png"}
    sample = dataset.samples[0]
    assert source_of(dataset, sample, Recipe(height=8)) == sample.path
    with_depth = source_of(dataset, sample, Recipe(height=8, depth=DepthRecipe()))
    assert with_depth == WithDepth(sample.path, sample.depth_path)
    before = dataset.fingerprint(sample)
    np.save(sample.depth_path, np.ones((16, 16), np.float32))
    assert dataset.fingerprint(sample) != before


def test_missing_depth_is_one_clear_error(root):
    (root / "train/good/xyz/002.npy").unlink()
    dataset = open_dataset(root)
    assert dataset.layout == "MVTec 3D-AD layout, 1 of 11 images without depth"
    with pytest.raises(DataError, match=r"1 of 11 images have no depth file: train/good/rgb/002.png"):
        require_depth(dataset, dataset.samples)
    require_depth(dataset, dataset.samples[:2])


def test_depth_without_pictures_is_one_clear_error(root):
    for folder in [*root.rglob("rgb")]:
        shutil.rmtree(folder)
    with pytest.raises(DataError, match="no pictures in train/good/rgb"):
        open_dataset(root)


def test_the_doctor_names_what_is_wrong_with_depth(root):
    assert not [item for item in examine(open_dataset(root)).findings if "depth" in item.code]
    (root / "train/good/xyz/002.npy").unlink()
    put(root, "train/good", 3, shape=(16, 40))
    (root / "train/good/xyz/004.npy").write_bytes(b"nothing")
    found = {item.code: item for item in examine(open_dataset(root)).findings if "depth" in item.code}
    assert found["missing-depth"].names == ("train/good/rgb/002.png",)
    assert set(found["broken-depth"].names) == {"train/good/rgb/003.png", "train/good/rgb/004.png"}
    assert found["broken-depth"].reasons["train/good/rgb/003.png"].startswith("depth of 40 x 16 px")
    assert found["broken-depth"].severity == found["missing-depth"].severity == "error"


def test_validation_images_calibrate_and_what_was_held_back_is_learned():
    parts = GoodSplit(("a", "b"), ("c",), ("d", "q/e"))
    products = {"a": "", "b": "", "c": "", "d": "", "q/e": "q", "v": ""}
    assert calibrated_by(parts, [], products) == parts
    assert calibrated_by(parts, ["v"], products) == GoodSplit(("a", "b", "d"), ("c",), ("q/e", "v"))
