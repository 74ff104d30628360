import pytest

from untaught.data.base import to_evaluate, train_good
from untaught.data.folder import open_dataset
from untaught.data.toy import Toy
from untaught.errors import DataError


def kinds(data):
    return sorted({sample.kind for sample in to_evaluate(data)})


def masks(data):
    return {
        sample.name: sample.mask_path.relative_to(data.root).as_posix() for sample in data.samples if sample.mask_path
    }


def test_good_alone_is_for_training_only(put, tmp_path):
    for n in range(5):
        put(f"good/{n}.png")
    data = open_dataset(tmp_path)
    assert len(train_good(data)) == 5
    assert to_evaluate(data) == ()
    assert "no test split" in data.layout


def test_good_and_bad_keep_a_fifth_of_the_good_ones_for_the_test(put, tmp_path):
    for n in range(20):
        put(f"Good/{n}.png")
    put("bad/0.png")
    data = open_dataset(tmp_path)
    assert len(train_good(data)) == 16
    assert len(to_evaluate(data)) == 5
    assert kinds(data) == ["bad", "good"]
    assert "4 good images" in data.layout
    assert open_dataset(str(tmp_path)) == open_dataset(tmp_path)


def test_given_good_test_images_are_used_instead(put, tmp_path):
    for n in range(20):
        put(f"good/{n}.png")
    put("test/ok/0.png")
    put("test/dent/0.png")
    put("scratch/0.png")
    data = open_dataset(tmp_path)
    assert len(train_good(data)) == 20
    assert kinds(data) == ["dent", "good", "scratch"]
    assert "test split given" in data.layout


def test_folders_inside_bad_are_kinds(put, tmp_path):
    put("ok/0.png")
    put("NG/dent/0.png")
    put("NG/images/1.png")
    put("NG/images/dent/1.png")
    put("NG/scratch/deep/0.png")
    put("NG/0.png")
    assert kinds(open_dataset(tmp_path)) == ["NG", "dent", "scratch"]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("bad/001.png", "masks/bad/001.png"),
        ("bad/001.png", "masks/bad/001_mask.png"),
        ("bad/001.png", "Ground_Truth/001-mask.bmp"),
        ("bad/dent/001.png", "mask/dent/001.png"),
        ("bad/dent/001.png", "mask/bad/dent/001.png"),
        ("dent/001.jpg", "gt/dent/001.png"),
        ("dent/2024/001.jpg", "gt/dent/2024/001.png"),
        ("dent/001.jpg", "dent/001_mask.png"),
        ("test/dent/001.jpg", "masks/dent/001.png"),
        ("bad/001.png", "bad/masks/001.png"),
        ("bad/dent/001.png", "bad/dent/GT/001_mask.png"),
        ("bad/dent/001.png", "bad/masks/dent/001.png"),
        ("test/dent/001.jpg", "test/masks/dent/001.png"),
        ("test/dent/001.jpg", "test/dent/mask/001.png"),
        ("bad/images/001.png", "bad/masks/001.png"),
        ("bad/images/001.png", "masks/bad/001.png"),
        ("bad/images/dent/001.png", "bad/masks/dent/001_mask.png"),
        ("bad/dent/images/001.png", "gt/dent/001.png"),
    ],
)
def test_where_masks_may_lie(put, put_mask, tmp_path, image, mask):
    put("good/0.png")
    put(image)
    put_mask(mask)
    data = open_dataset(tmp_path)
    assert masks(data) == {image: mask}
    assert data.orphans == ()
    assert len(data.samples) == 2


def test_a_bare_name_that_several_images_have_is_no_ones_mask(put, put_mask, tmp_path):
    put("good/0.png")
    put("dent/001.png")
    put("scratch/001.png")
    put_mask("masks/001.png")
    data = open_dataset(tmp_path)
    assert masks(data) == {}
    assert [path.name for path in data.orphans] == ["001.png"]


@pytest.mark.parametrize(
    "place",
    ["validation", "Val/good", "train", "thumbs", "images", "bad/thumbs", "good/Test", "test/dent/val"],
)
def test_a_split_or_thumbnails_beside_good_are_no_defects(put, tmp_path, place):
    put("good/0.png")
    put("bad/0.png")
    put(f"{place}/0.png")
    named = place.removesuffix("/good")
    with pytest.raises(DataError, match=rf"images in {named}, .* train/good, test/good and test/<defect>"):
        open_dataset(tmp_path)


def test_an_empty_folder_or_one_without_images_is_no_split(put, tmp_path):
    put("good/0.png")
    (tmp_path / "val").mkdir()
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "notes.txt").write_text("")
    assert len(open_dataset(tmp_path).samples) == 1


def test_masks_of_good_images_are_no_images(put, put_mask, tmp_path):
    put("good/0.png")
    put_mask("good/masks/0.png")
    put("test/ok/1.png")
    put_mask("masks/test/ok/1.png")
    put("bad/0.png")
    data = open_dataset(tmp_path)
    assert masks(data) == {"good/0.png": "good/masks/0.png", "test/ok/1.png": "masks/test/ok/1.png"}
    assert len(data.samples) == 3


def test_a_flat_folder_is_all_good(put, tmp_path):
    for n in range(4):
        put(f"part {n}.png")
    put("archive/old.png")
    data = open_dataset(tmp_path)
    assert [sample.name for sample in train_good(data)] == [f"part {n}.png" for n in range(4)]
    assert to_evaluate(data) == ()
    assert data.layout.startswith("a flat folder")
    put("defect/0.png")
    assert kinds(open_dataset(tmp_path)) == ["defect"]


def test_in_a_flat_folder_a_mask_belongs_to_the_defective_image_of_its_name(put, put_mask, tmp_path):
    for name in ("001.png", "002.png", "bad/001.png"):
        put(name)
    put_mask("masks/001.png")
    held = {sample.name: sample.mask_path for sample in open_dataset(str(tmp_path)).samples}
    assert {name for name, mask in held.items() if mask} == {"bad/001.png"}


def test_train_and_test_without_a_folder_good_in_train(put, tmp_path):
    put("Train/0.png")
    put("Test/normal/0.png")
    put("Test/dent/0.png")
    data = open_dataset(tmp_path)
    assert [sample.name for sample in train_good(data)] == ["Train/0.png"]
    assert kinds(data) == ["dent", "good"]


def test_a_loop_of_links_does_not_hang(put, tmp_path):
    put("good/0.png")
    put("bad/0.png")
    (tmp_path / "good" / "again").symlink_to(tmp_path / "good")
    (tmp_path / "bad" / "root").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    data = open_dataset(tmp_path)
    assert "good/0.png" in {sample.name for sample in data.samples}


def test_toy_by_name():
    assert open_dataset("toy") == Toy()
    assert open_dataset("toy:7") == Toy(seed=7)
    with pytest.raises(DataError, match="toy:SEED"):
        open_dataset("toy:blue")


def test_what_is_no_data_set(put, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "missing")
    with pytest.raises(DataError, match=r"an empty folder.*a folder `good`"):
        open_dataset(tmp_path)
    file = put("alone.png")
    with pytest.raises(DataError, match="is not a folder"):
        open_dataset(file)
    file.unlink()
    put("dent/0.png")
    with pytest.raises(DataError, match="no images of good parts"):
        open_dataset(tmp_path)
    (tmp_path / "good").mkdir()
    with pytest.raises(DataError, match="no good images"):
        open_dataset(tmp_path)
