"""One rule for masks among images: the same in MVTec AD's layout, BTAD's and any folder."""

import pytest

from untaught.data.base import to_evaluate, train_good
from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.data.places import pair
from untaught.errors import DataError


@pytest.fixture(params=["train/good", "train/ok", "good"])
def layout(request, put):
    """A product in the layout of MVTec AD, of BTAD, or in any folder; gives its folder of dents."""
    put(f"{request.param}/000.png")
    put(f"{request.param}/001.png")
    return "dent" if request.param == "good" else "test/dent"


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("001.png", "001_mask.png"),
        ("001.jpg", "001-Mask.png"),
        ("001.png", "masks/001.png"),
        ("001.png", "ground_truth/001_mask.png"),
        ("001.png", "GroundTruth/001.png"),
        ("a/001.png", "a/GT/001.png"),
        ("a/001.png", "masks/a/001.png"),
        ("images/001.png", "masks/001.png"),
        ("a/imgs/001.png", "a/masks/001.png"),
    ],
)
def test_a_mask_among_the_images_is_its_images_mask_and_no_image(layout, put, put_mask, tmp_path, image, mask):
    put(f"{layout}/{image}")
    put(f"{layout}/002.png")
    expected = put_mask(f"{layout}/{mask}")
    data = open_dataset(tmp_path)
    found = {sample.path.relative_to(tmp_path / layout).as_posix(): sample for sample in to_evaluate(data)}
    assert found.keys() == {image, "002.png"}
    assert {sample.kind for sample in found.values()} == {"dent"}
    assert found[image].mask_path == expected
    assert found["002.png"].mask_path is None
    assert data.orphans == ()
    assert examine(data).masks == 1


def test_masks_in_a_folder_beside_the_kinds_of_defect(layout, put, put_mask, tmp_path):
    home = (tmp_path / layout).parent
    put(f"{layout}/001.png")
    mask = put_mask((home / "masks" / "dent" / "001.png").relative_to(tmp_path))
    assert [(sample.kind, sample.mask_path) for sample in to_evaluate(open_dataset(tmp_path))] == [("dent", mask)]


def test_masks_of_good_images_are_not_learned_from(layout, put_mask, tmp_path):
    good = train_good(open_dataset(tmp_path))
    for sample in good:
        place = sample.path.relative_to(tmp_path)
        put_mask(place.with_name(f"{place.stem}_mask.png"))
        put_mask(place.parent / "masks" / place.name)
    assert [sample.path for sample in train_good(open_dataset(tmp_path))] == [sample.path for sample in good]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            ["001.png", "002_mask.png"],
            r"called as masks of images that are not there: 1 in \S*dent \(\S*dent/002_mask\.png\)",
        ),
        (["001_mask.png"], r"dent/001_mask\.png\).* rename what is an image"),
        (["001.jpg", "001.png"], r"one may be the other's mask: 2 in \S*dent \(\S*dent/001\.jpg, \S*dent/001\.png\)"),
        (["masks/001.png"], r"dent/masks, called as a folder of masks, holds none that belongs"),
        (["001.png", "gt/m1.png"], r"dent/gt, called as a folder of masks.* rename the masks"),
    ],
)
def test_what_names_leave_open_is_refused_by_its_folder(layout, put, tmp_path, files, told):
    for name in files:
        put(f"{layout}/{name}")
    with pytest.raises(DataError, match=told):
        open_dataset(tmp_path)


@pytest.mark.parametrize("home", ["", "train/", "good/", "train/good/"])
@pytest.mark.parametrize("place", ["test", "test/images"])
def test_test_images_without_a_label_are_left_aside_and_told(put, tmp_path, home, place):
    for number in range(5):
        put(f"{home}{number}.png")
    put(f"{place}/0.png")
    put(f"{place}/1.png")
    data = open_dataset(tmp_path)
    assert len(train_good(data)) == 5
    assert to_evaluate(data) == ()
    assert len(data.unlabelled) == 2
    (told,) = (finding for finding in examine(data).findings if finding.code == "unlabelled-test")
    assert told.severity == "warning"
    assert told.names == (f"{place}/0.png", f"{place}/1.png")


def test_test_images_without_a_label_are_told_beside_others_and_of_several_products(put, tmp_path):
    for product in ("a", "b"):
        put(f"{product}/train/good/0.png")
        put(f"{product}/test/good/0.png")
        put(f"{product}/test/0.png")
    data = open_dataset(tmp_path)
    assert [sample.name for sample in to_evaluate(data)] == ["a/test/good/0.png", "b/test/good/0.png"]
    assert [path.parent.parent.name for path in data.unlabelled] == ["a", "b"]


def test_masks_are_paired_by_place_and_stem(tmp_path):
    base, truth = tmp_path / "images", tmp_path / "masks"
    pictures = [base / name for name in ("1.png", "2.jpg", "3.bmp", "day/1.png", "4.png")]
    masks = [truth / name for name in ("1_mask.png", "1.png", "2.png", "3-mask.tif", "day/1_MASK.png", "5.png")]
    found = pair(pictures, base, masks, truth)
    assert {p.relative_to(base).as_posix(): m.relative_to(truth).as_posix() for p, m in found.items()} == {
        "1.png": "1_mask.png",
        "2.jpg": "2.png",
        "3.bmp": "3-mask.tif",
        "day/1.png": "day/1_MASK.png",
    }
