"""Every fault is made once and found; a clean data set has none."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.data.toy import Toy
from untaught.image import Limits

LINE = Toy(train=52, test_good=6, test_bad=10, size=64)


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory):
    return LINE.write(tmp_path_factory.mktemp("doctor") / "line")


@pytest.fixture
def line(clean_folder, tmp_path):
    """A fresh copy of a clean data set, to be spoiled."""
    return shutil.copytree(clean_folder, tmp_path / "line")


def found(folder, **options):
    return {finding.code: finding for finding in examine(open_dataset(folder), **options).findings}


def test_a_clean_data_set_has_no_findings(clean_folder):
    calls = []
    diagnosis = examine(open_dataset(clean_folder), progress=lambda done, total: calls.append((done, total)))
    assert diagnosis.findings == ()
    assert not diagnosis.spoiled
    assert diagnosis.broken == ()
    assert diagnosis.layout == "MVTec AD layout"
    assert diagnosis.counts["train"] == {"good": 52}
    assert diagnosis.counts["test"] == {"good": 6, "scratch": 2, "dent": 2, "chip": 2, "hole": 2, "stain": 2}
    assert diagnosis.sizes == {"64 x 64": 68}
    assert diagnosis.formats == {"PNG RGB": 68}
    assert diagnosis.masks == 10
    assert calls == [(n, 68) for n in range(1, 69)]
    assert json.loads(diagnosis.model_dump_json())["spoiled"] is False


def test_drawn_images_are_examined_like_files():
    diagnosis = examine(LINE)
    assert diagnosis.findings == ()
    assert diagnosis.formats == {"memory RGB": 68}


def test_broken_images_are_named_with_the_reason(line):
    good = line / "train" / "good"
    data = (good / "003.png").read_bytes()
    (good / "003.png").write_bytes(data[: len(data) // 2])
    (good / "004.png").write_text("a text file")
    (good / "005.png").write_bytes(b"")
    Image.new("L", (64, 64)).save(good / "moving.gif")
    (good / "gone.png").symlink_to(line / "nowhere.png")
    (good / "a pipe.png").symlink_to("/dev/null")
    diagnosis = examine(open_dataset(line))
    assert diagnosis.spoiled
    assert diagnosis.broken == tuple(
        f"train/good/{name}" for name in ("003.png", "004.png", "005.png", "a pipe.png", "gone.png", "moving.gif")
    )
    finding = diagnosis.findings[0]
    assert (finding.severity, finding.code, finding.names) == ("error", "broken-image", diagnosis.broken)
    assert finding.reasons["train/good/003.png"].startswith("damaged or truncated")  # the path is told once
    assert "unknown format" in finding.reasons["train/good/004.png"]
    assert "empty file" in finding.reasons["train/good/005.png"]
    assert "a GIF" in finding.reasons["train/good/moving.gif"]
    assert "cannot be read" in finding.reasons["train/good/gone.png"]


def test_limits_are_those_of_training(clean_folder):
    assert len(found(clean_folder, limits=Limits(max_pixels=64))["broken-image"].names) == 68


def test_a_leak_is_found_though_saved_in_another_format(line):
    Image.open(line / "train" / "good" / "007.png").save(line / "test" / "good" / "a.bmp")
    codes = found(line)
    assert set(codes) == {"leak"}
    assert codes["leak"].severity == "error"
    assert codes["leak"].names == ("train/good/007.png = test/good/a.bmp",)


def test_a_picture_saved_again_as_jpeg_is_a_leak_too(line):
    Image.open(line / "train" / "good" / "007.png").save(line / "test" / "good" / "a.jpg", quality=90)
    codes = found(line)
    assert set(codes) == {"near-leak"}
    assert codes["near-leak"].severity == "error"
    assert examine(open_dataset(line)).spoiled
    assert set(codes["near-leak"].names[0].split(" = ")) == {"train/good/007.png", "test/good/a.jpg"}


def test_a_part_photographed_again_in_other_light_is_a_warning(line):
    picture = Image.open(line / "train" / "good" / "007.png").point(lambda value: value * 0.8)
    picture.save(line / "test" / "good" / "a.png")
    codes = found(line)
    assert set(codes) == {"seen-part"}
    assert codes["seen-part"].severity == "warning"


def test_copies_within_a_split(line):
    good = line / "train" / "good"
    shutil.copy(good / "001.png", good / "copy.png")
    Image.open(good / "002.png").save(good / "again.jpg", quality=90)
    codes = found(line)
    assert set(codes) == {"copy", "near-copy"}
    assert codes["copy"].names == ("train/good/001.png = train/good/copy.png",)


def test_a_contradiction(line):
    shutil.copy(line / "test" / "dent" / "000.png", line / "train" / "good" / "x.png")
    codes = found(line)
    assert set(codes) == {"contradiction"}
    assert codes["contradiction"].severity == "error"


def test_masks(line):
    truth = line / "ground_truth"
    Image.fromarray(np.ones((32, 64), np.uint8)).save(truth / "dent" / "000_mask.png")
    Image.new("L", (64, 64)).save(truth / "dent" / "001_mask.png")
    (truth / "hole" / "000_mask.png").write_text("no mask")
    (truth / "stain" / "001_mask.png").rename(truth / "stain" / "099_mask.png")
    codes = found(line)
    assert set(codes) == {"mask-size", "empty-mask", "broken-mask", "missing-mask", "stray-mask"}
    assert codes["mask-size"].reasons == {"test/dent/000.png": "image 64 x 64, mask 64 x 32"}
    assert codes["empty-mask"].names == ("test/dent/001.png",)
    assert codes["broken-mask"].names == ("test/hole/000.png",)
    assert codes["missing-mask"].names == ("test/stain/001.png",)
    assert codes["stray-mask"].names == ("ground_truth/stain/099_mask.png",)
    severity = {code: finding.severity for code, finding in codes.items()}
    assert [code for code in severity if severity[code] == "error"] == ["broken-mask", "mask-size", "empty-mask"]


def test_no_masks_at_all_is_no_fault(line):
    shutil.rmtree(line / "ground_truth")
    codes = found(line)
    assert set(codes) == {"no-masks"}
    assert codes["no-masks"].severity == "info"


def test_one_coloured_frames_are_named_but_are_no_copies_of_each_other(line):
    for n, value in enumerate((0, 0, 255)):
        Image.new("RGB", (64, 64), (value,) * 3).save(line / "train" / "good" / f"black {n}.png")
    noise = np.random.default_rng(0).normal(10, 1.2, (64, 64)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise).save(line / "train" / "good" / "lens cap.png")
    codes = found(line)
    assert set(codes) == {"one-coloured"}
    assert len(codes["one-coloured"].names) == 4
    assert codes["one-coloured"].severity == "error"  # they would be learned from


def test_a_product_that_is_plain_itself_and_an_empty_frame_called_defective_are_no_errors(line):
    for path in (line / "train" / "good").iterdir():
        Image.new("RGB", (64, 64), (200, 200, int(path.stem))).save(path)
    Image.new("RGB", (64, 64), (1, 1, 1)).save(line / "test" / "dent" / "000.png")
    codes = found(line)
    assert codes["one-coloured"].severity == "warning"
    assert codes["one-coloured-defect"].names == ("test/dent/000.png",)
    assert codes["one-coloured-defect"].severity == "warning"


def test_a_scaled_mask_is_a_note_as_evaluation_takes_it(line):
    Image.fromarray(np.ones((32, 32), np.uint8)).save(line / "ground_truth" / "dent" / "000_mask.png")
    diagnosis = examine(open_dataset(line))
    assert [(finding.severity, finding.code) for finding in diagnosis.findings] == [("info", "scaled-mask")]
    assert diagnosis.findings[0].reasons == {"test/dent/000.png": "image 64 x 64, mask 32 x 32"}
    assert not diagnosis.spoiled


def test_a_mask_that_marks_something_on_a_good_image(line):
    (line / "ground_truth" / "good").mkdir()
    Image.new("L", (64, 64), 0).save(line / "ground_truth" / "good" / "000_mask.png")
    assert found(line) == {}
    Image.new("L", (64, 64), 255).save(line / "ground_truth" / "good" / "000_mask.png")
    codes = found(line)
    assert set(codes) == {"marked-good"}
    assert codes["marked-good"].severity == "error"
    assert codes["marked-good"].names == ("test/good/000.png",)


def deepened(folder, factor):
    for path in folder.rglob("*.png"):
        if "ground_truth" not in path.parts:
            grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
            Image.fromarray(grey * factor).save(path)


def test_sixteen_bits_that_use_a_small_part_of_the_range(line):
    deepened(line, 16)
    codes = found(line)
    assert set(codes) == {"dark-16-bit"}
    assert "white = 4095" in codes["dark-16-bit"].fix
    assert found(line, limits=Limits(white=4095)) == {}


def test_sixteen_bits_in_full(line):
    deepened(line, 257)
    diagnosis = examine(open_dataset(line))
    assert diagnosis.findings == ()
    assert diagnosis.formats == {"PNG I;16 16 bit": 68}


@pytest.mark.parametrize(
    ("good", "severity", "code"),
    [(3, "error", "too-few-good"), (4, "warning", "few-good"), (49, "warning", "few-good")],
)
def test_few_good_images(line, good, severity, code):
    for path in sorted((line / "train" / "good").iterdir())[good:]:
        path.unlink()
    finding = found(line)[code]
    assert finding.severity == severity
    assert str(good) in finding.what


def test_no_test_split_and_one_sided_ones(line):
    shutil.rmtree(line / "test" / "good")
    assert "good" in found(line)["one-sided-test"].what
    shutil.rmtree(line / "test")
    shutil.rmtree(line / "ground_truth")
    assert found(line)["no-test"].severity == "info"
