import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import untaught
from untaught.engine.evaluate import KEYS, evaluate, to_json
from untaught.errors import ConfigError, DataError
from untaught.image import read_mask, resize_map
from untaught.run import Run


@pytest.fixture(scope="module")
def run(run_folder):
    return Run(run_folder)


def test_figures_equal_those_of_scikit_learn_on_the_same_scores(run, product):
    detector = untaught.load(run.folder)
    rows, pixels, masks = [], [], []
    for path in sorted((product / "test").rglob("*.png")):
        kind = path.parent.name
        answer = detector.inspect(path)
        rows.append((kind != "good", answer.score))
        mask = (
            read_mask(product / "ground_truth" / kind / f"{path.stem}_mask.png")
            if kind != "good"
            else np.zeros((64, 64), bool)
        )
        pixels.append(resize_map(answer.map, mask.shape[::-1]).ravel())
        masks.append(mask.ravel())
    result = next(iter(run.card.metrics.values()))
    labels, scores = zip(*rows, strict=True)
    assert result.image_auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    assert result.image_ap == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    assert result.pixel_auroc == pytest.approx(roc_auc_score(np.concatenate(masks), np.concatenate(pixels)), abs=1e-6)
    assert (result.n_good, result.n_defective) == (8, 10)


def test_rates_are_counted_at_the_calibrated_threshold(run):
    result = next(iter(run.card.metrics.values()))
    rows = run.evaluation()["rows"]
    good = [row["reject"] for row in rows if row["kind"] == "good"]
    bad = [row["reject"] for row in rows if row["kind"] != "good"]
    assert result.false_reject_rate == sum(good) / len(good)
    assert result.miss_rate == 1 - sum(bad) / len(bad)
    assert result.threshold == run.card.calibration.image.value
    low, high = result.miss_interval
    assert 0 <= low <= result.miss_rate <= high <= 1


def test_json_has_the_promised_keys_for_all_and_for_each_kind(run):
    table = to_json(next(iter(run.card.metrics.values())))
    assert set(table) == {*KEYS, "kinds"}
    assert all(set(row) == set(KEYS) for row in table["kinds"].values())
    assert len(table["kinds"]) == 5
    json.dumps(table)


def test_the_gallery_has_what_the_rows_point_at(run):
    with np.load(run.folder / "gallery.npz", allow_pickle=False) as gallery:
        numbers = [row["gallery"] for row in run.evaluation()["rows"] if row["gallery"] is not None]
        assert numbers
        assert sorted(numbers) == list(range(len(numbers)))
        assert all(f"image_{number}" in gallery and f"map_{number}" in gallery for number in numbers)


def test_a_copy_of_the_run_gives_the_same_figures(run, product, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    again = evaluate(Run(tmp_path / "run"), str(product))
    known = next(iter(run.card.metrics.values()))
    assert (again.image_auroc, again.aupro, again.pixel_ap) == (known.image_auroc, known.aupro, known.pixel_ap)


def test_without_a_test_split_there_is_one_clear_error(run, product, tmp_path):
    shutil.copytree(product / "train" / "good", tmp_path / "flat")
    with pytest.raises(DataError, match="no test split"):
        evaluate(run, str(tmp_path / "flat"))


def test_test_images_that_were_trained_on_are_refused(run, product, tmp_path):
    shutil.copytree(product, tmp_path / "leak")
    trained = run.card.data.train[0].name
    shutil.copy(product / trained, tmp_path / "leak" / "test" / "good" / "copy.png")
    with pytest.raises(DataError, match=r"copy\.png"):
        evaluate(run, str(tmp_path / "leak"))


def test_the_same_picture_saved_again_without_loss_is_refused_too(run, product, tmp_path):
    from PIL import Image

    shutil.copytree(product, tmp_path / "leak")
    used = run.card.data.calibration[0]
    with Image.open(product / used.name) as image:
        image.save(tmp_path / "leak" / "test" / "good" / "again.bmp")
    with pytest.raises(DataError, match=rf"again\.bmp shows the same picture as {used.name}"):
        evaluate(run, str(tmp_path / "leak"))


def test_empty_frames_are_not_taken_for_one_another(run, product, tmp_path):
    from PIL import Image

    from untaught.config import Settings
    from untaught.engine.train import train

    data = shutil.copytree(product, tmp_path / "data")
    for number, place in enumerate(("train/good", "test/good")):
        Image.new("RGB", (64 + number, 64)).save(data / place / "empty.png")
    small = {"image_size": 64, "epochs": 1, "false_reject": 0.1}
    made = train(Settings(method="reverse_distillation", data=str(data), **small), tmp_path / "run")
    pictures = {
        item.name: item.picture
        for part in ("train", "monitor", "calibration")
        for item in getattr(made.card.data, part)
    }
    assert [name for name, told in pictures.items() if not told] == ["train/good/empty.png"]
    assert evaluate(made, str(data)).n_good == 9


def test_without_masks_pixel_figures_are_absent_and_not_made_up(run, product, tmp_path):
    shutil.copytree(product, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "ground_truth")
    shutil.copytree(run.folder, tmp_path / "run")
    result = evaluate(Run(tmp_path / "run"), str(tmp_path / "data"))
    assert result.image_auroc is not None
    assert result.pixel_auroc is None
    assert result.aupro is None


def test_masks_of_another_shape_are_refused_and_empty_ones_give_no_pixel_figures(run, product, tmp_path):
    from PIL import Image

    from untaught.errors import MaskError

    shutil.copytree(product, tmp_path / "data")
    shutil.copytree(run.folder, tmp_path / "run")
    masks = sorted((tmp_path / "data" / "ground_truth").rglob("*.png"))
    for path in masks:
        Image.new("L", (64, 64)).save(path)
    assert evaluate(Run(tmp_path / "run"), str(tmp_path / "data")).pixel_auroc is None
    for path in masks:
        Image.new("L", (200, 50), 255).save(path)
    with pytest.raises(MaskError, match="200 x 50"):
        evaluate(Run(tmp_path / "run"), str(tmp_path / "data"))


def test_broken_test_images_are_all_named_or_left_out_and_listed(run, product, tmp_path):
    shutil.copytree(product, tmp_path / "data")
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "data" / "test" / "good" / "000.png").write_text("torn")
    (tmp_path / "data" / "test" / "dent" / "zzz.png").write_bytes(b"")
    again, data = Run(tmp_path / "run"), str(tmp_path / "data")
    with pytest.raises(DataError, match=r"2 of 19 test .*test/dent/zzz.png: an empty file; test/good/000.png: an un"):
        evaluate(again, data)
    with pytest.raises(ConfigError, match="fail or skip"):
        evaluate(again, data, on_bad_image="ignore")
    result = evaluate(again, data, on_bad_image="skip")
    assert (result.n_good, result.n_defective) == (7, 10)
    assert set(result.left_out) == set(to_json(result)["left_out"]) == {"test/dent/zzz.png", "test/good/000.png"}
    names = [row["name"] for row in again.evaluation()["rows"]]
    assert len(names) == 17
    known = {row["name"]: row["score"] for row in run.evaluation()["rows"]}
    assert {row["name"]: row["score"] for row in again.evaluation()["rows"]} == {name: known[name] for name in names}
    assert result.pixel_auroc is not None
    assert Run(again.folder).card.metrics["data"].left_out == result.left_out


def test_masks_that_cannot_be_used_are_all_named_before_anything_is_scored(run, product, tmp_path, monkeypatch):
    from PIL import Image

    from untaught.errors import MaskError

    data = shutil.copytree(product, tmp_path / "data")
    again = Run(shutil.copytree(run.folder, tmp_path / "run"))
    torn, empty, other = (data / "ground_truth" / name for name in sorted(
        path.relative_to(data / "ground_truth").as_posix() for path in (data / "ground_truth").rglob("*.png")
    )[:3])  # fmt: skip
    torn.write_text("torn")
    empty.write_bytes(b"")
    Image.new("L", (200, 50), 255).save(other)
    monkeypatch.setattr("untaught.engine.evaluate._score", None)
    with pytest.raises(MaskError) as caught:
        evaluate(again, data)
    monkeypatch.undo()
    assert "3 of 10 masks" in caught.value.came
    assert all(word in caught.value.came for word in (str(torn), str(empty), "200 x 50"))
    result = evaluate(again, data, on_bad_image="skip")
    assert (result.n_good, result.n_defective) == (8, 7)
    assert len(result.left_out) == 3
    assert "an empty file" in " ".join(result.left_out.values())
    assert result.pixel_auroc is not None


def test_a_test_folder_without_labels_says_what_to_do(run, product, tmp_path):
    data = shutil.copytree(product / "train" / "good", tmp_path / "flat")
    shutil.copytree(product / "test" / "dent", data / "test")
    with pytest.raises(DataError, match=r"nothing says which of \d+ test images are good.*test/good and a folder for"):
        evaluate(run, data)


def test_a_full_disk_is_one_clear_error(run, product, monkeypatch):
    import errno

    from untaught.errors import RunError

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(RunError, match="No space left"):
        evaluate(run, str(product))


@pytest.mark.parametrize("name", ["gallery.npz", "evaluation.json", "card.json"])
def test_cut_short_between_two_files_there_are_no_rows_beside_pictures_of_another_evaluation(
    run, product, tmp_path, monkeypatch, name
):
    from untaught.errors import RunError
    from untaught.files import replacing
    from untaught.report.page import report

    shutil.copytree(run.folder, tmp_path / "run")

    def fails(path):
        if path.name == name:
            raise RunError(f"{path}: the disk is full")
        return replacing(path)

    for module in ("untaught.files", "untaught.engine.gallery"):
        monkeypatch.setattr(f"{module}.replacing", fails)
    with pytest.raises(RunError, match="full"):
        evaluate(Run(tmp_path / "run"), str(product))
    assert Run(tmp_path / "run").evaluation() is None
    monkeypatch.undo()
    assert report(tmp_path / "run").exists()
