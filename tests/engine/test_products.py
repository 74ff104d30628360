"""One model for several products, from the folder to the verdict."""

import json
import shutil

import pytest

import untaught
from untaught.calibration import conformal_threshold, p_values
from untaught.cli.main import app
from untaught.cli.train import tell
from untaught.config import Settings
from untaught.data.toy import Toy
from untaught.engine.calibrate import calibrate
from untaught.engine.drawn import detect_drawn
from untaught.engine.evaluate import evaluate, to_json
from untaught.engine.train import train
from untaught.errors import ConfigError, DataError, RunError
from untaught.export.exporter import export_run
from untaught.methods.reverse_distillation import ReverseDistillation
from untaught.report.drawn import drawn_lines, view_drawn
from untaught.report.evaluation import read_drawn
from untaught.report.page import write_report
from untaught.report.tables import result_table
from untaught.report.view import view_run
from untaught.report.words import number
from untaught.run import Card, Run


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A folder of two products."""
    folder = tmp_path_factory.mktemp("line")
    for name, seed, good in (("arm", 1, 24), ("base", 2, 12)):
        Toy(seed=seed, train=good, test_good=3, test_bad=5, size=64).write(folder / name)
    return folder


@pytest.fixture(scope="module")
def run(line, tmp_path_factory):
    settings = Settings(
        method="reverse_distillation", data=str(line), image_size=64, epochs=2, false_reject=0.2,
    )  # fmt: skip
    out = tmp_path_factory.mktemp("runs") / "both"
    train(settings, out)
    evaluate(Run(out), str(line))
    return Run(out)


def test_every_product_is_trained_on_and_held_out_as_it_would_be_alone(run):
    data = run.card.data
    for part, counts in (("train", (18, 8)), ("monitor", (2, 2)), ("calibration", (4, 2))):
        names = [item.name for item in getattr(data, part)]
        assert [sum(name.startswith(product) for name in names) for product in ("arm/", "base/")] == [*counts], part
    assert data.name == run.card.name
    assert "2 products" in data.layout


def test_batches_are_mixed_and_an_epoch_shows_every_image_once(line, tmp_path, monkeypatch):
    seen = []
    loss = ReverseDistillation.loss

    def watched(self, batch):
        if self.training:
            seen.append(batch.index.tolist())
        return loss(self, batch)

    monkeypatch.setattr(ReverseDistillation, "loss", watched)
    changes = {"training": {"batch_size": 9}}
    settings = Settings(method="reverse_distillation", data=str(line), image_size=64, epochs=2, model=changes)
    train(settings, tmp_path / "run")
    names = [item.name for item in Run(tmp_path / "run").card.data.train]
    assert len(names) == 26
    assert [len(batch) for batch in seen] == [9, 9, 8] * 2
    for epoch in (seen[:3], seen[3:]):
        assert sorted(number for batch in epoch for number in batch) == list(range(26))
        products = [{names[number].split("/")[0] for number in batch} for batch in epoch]
        assert products == [{"arm", "base"}] * 3, "a batch of one product alone pulls the student to and fro"
    assert seen[:3] != seen[3:]


def test_each_product_has_its_calibration_and_all_together_have_one(run):
    card = run.card
    assert list(card.products) == ["arm", "base"]
    assert [len(known.scores) for known in card.products.values()] == [4, 2]
    every = sorted(score for known in card.products.values() for score in known.scores)
    assert card.calibration.scores == tuple(every)
    for known in (card.calibration, *card.products.values()):
        assert known.image == conformal_threshold(known.scores, 0.2)


def test_the_named_product_is_judged_by_its_own_scores(run, line):
    detector, image = untaught.load(run.folder), line / "base" / "test" / "good" / "000.png"
    unnamed, named = detector.inspect(image), detector.inspect(image, product="base")
    assert (unnamed.product, named.product) == ("", "base")
    assert unnamed.score == named.score
    for answer, known in ((unnamed, run.card.calibration), (named, run.card.products["base"])):
        assert answer.p_value == p_values(known.scores, [answer.score])[0]
        assert answer.reject == (answer.score > known.image.value)
    assert [answer.product for answer in detector.inspect([image, image], product="arm")] == ["arm", "arm"]
    with pytest.raises(ConfigError, match=r"'bsae' is not known.*arm, base"):
        detector.inspect(image, product="bsae")


def test_evaluation_tells_of_each_product_by_its_own_threshold(run, line):
    (result,) = run.card.metrics.values()
    assert list(result.products) == ["arm", "base"]
    rows = run.evaluation()["rows"]
    for name, part in result.products.items():
        own = [row for row in rows if row["product"] == name]
        known = run.card.products[name].image.value
        assert part.threshold == known
        assert (part.n_good, part.n_defective) == (3, 5)
        assert [row["reject"] for row in own] == [row["score"] > known for row in own]
        assert part.false_reject_rate == sum(row["reject"] for row in own if row["kind"] == "good") / 3
        assert len(part.kinds) == 5
        assert part.pixel_auroc is not None
    assert result.n_good == 6
    assert result.false_reject_rate == sum(row["reject"] for row in rows if row["kind"] == "good") / 6
    table = json.loads(json.dumps(to_json(result)))
    assert table["products"]["arm"]["aupro"] == result.products["arm"].aupro


def test_one_product_alone_gets_the_figures_it_has_among_all(run, line, tmp_path):
    before = run.card.metrics[run.card.data.name].products["base"]
    alone = evaluate(Run(_copy(run, tmp_path)), str(line / "base"))
    assert alone.products == {}
    for figure in ("threshold", "false_reject_rate", "miss_rate", "image_auroc", "pixel_auroc", "aupro"):
        assert getattr(alone, figure) == getattr(before, figure), figure


def test_products_of_one_name_in_two_places_are_known_each_by_itself(line, tmp_path):
    for place in ("a", "b"):
        shutil.copytree(line / ("arm" if place == "a" else "base"), tmp_path / place / "cup")
    places = [str(tmp_path / place / "cup") for place in ("a", "b")]
    settings = Settings(method="dcam", data=places, image_size=64, epochs=1, false_reject=0.2)
    run = train(settings, tmp_path / "run")
    assert list(run.card.products) == ["a-cup", "b-cup"]
    together = evaluate(run, places)
    for name, place in zip(run.card.products, places, strict=True):
        alone = evaluate(Run(run.folder), place)
        assert alone.threshold == run.card.products[name].image.value == together.products[name].threshold
        view = view_run(Run(run.folder), "", pictures=False)
        assert view.data == name
        assert dict(view.calibration)["Part rejected above"].startswith(number(alone.threshold))
    Toy(seed=8, train=5, size=64).write(tmp_path / "later" / "a" / "cup")
    Toy(seed=9, train=5, size=64).write(tmp_path / "later" / "cap")
    calibrate(run, [str(tmp_path / "later" / "a" / "cup"), str(tmp_path / "later" / "cap")])
    assert [known.image.n for known in Run(run.folder).card.products.values()] == [5, 2]


def test_products_that_are_strange_or_missing_in_an_evaluation_are_told(run, line, tmp_path, capsys):
    shutil.copytree(line / "arm", tmp_path / "new" / "arm")
    shutil.copytree(line / "base", tmp_path / "new" / "foot")
    copy = Run(_copy(run, tmp_path))
    app(["evaluate", str(copy.folder), "--data", str(tmp_path / "new")], standalone_mode=False)
    for told in (" ".join(view_run(Run(copy.folder), "", pictures=False).warnings), capsys.readouterr().err):
        told = " ".join(told.split())
        assert "foot: not among the products this run knows by name (arm, base)" in told
        assert "base: not measured, as new has no test images of it." in told
    told = view_run(run, "", pictures=False).warnings
    assert not [text for text in told if "by name" in text or "not measured" in text]


def test_the_report_of_one_product_alone_is_by_its_own_threshold(run, line, tmp_path):
    copy = Run(_copy(run, tmp_path))
    copy.card.metrics.clear()
    evaluate(copy, str(line / "base"))
    view = view_run(Run(copy.folder), "base", pictures=False)
    assert not [text for text in view.warnings if "Evaluate again" in text]
    own = run.card.products["base"].image.value
    assert dict(view.calibration)["Part rejected above"] == f"{number(own)} (image score)"


def test_the_report_has_a_row_a_product(run):
    page = write_report([run], run.folder / "report.html").read_text("utf-8")
    for text in (
        "<h2>Products</h2>",
        "above each product's own<",
        "any, not named",
        "mean of products",
        'scope="row">base<',
    ):
        assert text in page


def test_drawn_defects_are_told_of_each_product(run, tmp_path):
    copy = Run(_copy(run, tmp_path))
    rows = detect_drawn(copy, sizes=(0.2,), draws=12)
    assert {row.product for row in rows} == {"arm", "base"}
    assert all(row.image.startswith(f"{row.product}/") for row in rows)
    assert [row.reject for row in rows] == [row.score > run.card.products[row.product].image.value for row in rows]
    page = write_report([copy], copy.folder / "report.html").read_text("utf-8")
    assert "Drawn defects by product, synthetic" in page
    for name in ("arm", "base"):
        own = [row.reject for row in rows if row.product == name]
        assert f"{name}  {f'{sum(own)} of {len(own)}':>10}" in drawn_lines(read_drawn(copy))


def test_new_good_images_of_one_product_move_its_threshold_alone(run, tmp_path):
    Toy(seed=8, train=9, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    copy = Run(_copy(run, tmp_path))
    calibrate(copy, str(tmp_path / "new"), product="base")
    card = Run(copy.folder).card
    assert len(card.products["base"].scores) == 9
    assert card.products["arm"] == run.card.products["arm"]
    assert card.calibration == run.card.calibration
    assert sum(item.name.startswith("arm/") for item in card.data.calibration) == 4
    with pytest.raises(ConfigError, match="'cap' is not known"):
        calibrate(copy, str(tmp_path / "new"), product="cap")


@pytest.mark.parametrize("product", ["", "base"])
def test_images_that_a_standing_threshold_was_set_on_are_no_test_images(run, line, tmp_path, product):
    for name, seed in (("arm", 50), ("base", 51)):
        Toy(seed=seed, train=2, test_good=1, test_bad=0, size=64).write(tmp_path / "test set" / name)
    for item in run.card.data.calibration:
        source, target = line / item.name, tmp_path / "test set" / item.name.replace("/train/good/", "/test/good/held ")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    Toy(seed=8, train=9, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    copy = Run(_copy(run, tmp_path))
    calibrate(copy, str(tmp_path / "new"), product=product)
    old = {item.sha256 for item in run.card.data.calibration}
    data = Run(copy.folder).card.data
    assert old <= {item.sha256 for item in (*data.calibration, *data.earlier)}
    assert not {item.sha256 for item in data.calibration} & {item.sha256 for item in data.earlier}
    with pytest.raises(DataError, match="6 test image"):
        evaluate(Run(copy.folder), str(tmp_path / "test set"))
    for name, seed in (("arm", 18), ("base", 19)):
        Toy(seed=seed, train=5, test_good=0, test_bad=0, size=64).write(tmp_path / "whole" / name)
    calibrate(Run(copy.folder), str(tmp_path / "whole"))
    assert Run(copy.folder).card.data.earlier == [], "no threshold of before is left"
    evaluate(Run(copy.folder), str(tmp_path / "test set"))


def test_every_product_is_drawn_on_however_few_drawings_are_wanted(run, tmp_path):
    copy = Run(_copy(run, tmp_path))
    rows = detect_drawn(copy, sizes=(0.2, 0.3), draws=1)
    for size in (0.2, 0.3):
        assert {row.product for row in rows if row.size == size} == {"arm", "base"}


def test_the_report_counts_false_rejects_of_the_images_drawn_on_by_the_threshold_that_judged(run, tmp_path):
    Toy(seed=8, train=9, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    copy = Run(_copy(run, tmp_path))
    calibrate(copy, str(tmp_path / "new"))
    rows = detect_drawn(copy, str(tmp_path / "new"), sizes=(0.2,), draws=9)
    assert {row.product for row in rows} == {""}
    assert "of all 9 are rejected" in view_drawn(Run(copy.folder)).lead.replace("\N{NO-BREAK SPACE}", " ")


def test_a_calibration_that_names_no_product_says_that_theirs_stay(run, tmp_path, capsys):
    Toy(seed=8, train=9, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    copy = _copy(run, tmp_path)
    for product, told in ((["--product", "base"], False), ([], True)):
        app(["calibrate", str(copy), "--good", str(tmp_path / "new"), *product], standalone_mode=False)
        assert ("of all products together" in " ".join(capsys.readouterr().err.split())) == told


def test_of_a_folder_of_products_only_the_named_one_sets_its_threshold(run, tmp_path):
    for seed, name in enumerate(("arm", "base"), 31):
        Toy(seed=seed, train=4, size=64).write(tmp_path / "new" / name)
    copy = Run(shutil.copytree(run.folder, tmp_path / "run"))
    calibrate(copy, str(tmp_path / "new"), product="base")
    names = [item.name for item in Run(copy.folder).card.data.calibration]
    assert Run(copy.folder).card.products["base"].image.n == 4
    assert [sum(name.startswith(f"{product}/train/") for name in names) for product in ("arm", "base")] == [4, 4]
    shutil.rmtree(tmp_path / "new" / "base")
    shutil.rmtree(tmp_path / "new" / "arm")
    Toy(seed=40, train=4, size=64).write(tmp_path / "new" / "arm")
    Toy(seed=41, train=4, size=64).write(tmp_path / "new" / "cup")
    assert calibrate(copy, str(tmp_path / "new"), product="base").image.n == 4, "a name the run does not know is base's"


def test_a_product_without_held_out_images_has_no_threshold_in_a_smaller_precision(run, line, tmp_path):
    Toy(seed=33, train=4, size=64).write(tmp_path / "new")
    copy = Run(shutil.copytree(run.folder, tmp_path / "run"))
    calibrate(copy, str(tmp_path / "new"))
    with pytest.raises(RunError, match="no image of arm, base"):
        export_run(copy, tmp_path / "x.untaught", data=[str(line), str(tmp_path / "new")], precision="fp16")
    assert not (tmp_path / "x.untaught").exists()


def test_new_good_images_of_all_products_move_all_thresholds(run, tmp_path):
    for name, seed in (("arm", 8), ("base", 9)):
        Toy(seed=seed, train=5, test_good=0, test_bad=0, size=64).write(tmp_path / "new" / name)
    copy = Run(_copy(run, tmp_path))
    calibrate(copy, str(tmp_path / "new"))
    card = Run(copy.folder).card
    assert [len(known.scores) for known in (card.calibration, *card.products.values())] == [10, 5, 5]


def test_cards_from_before_there_were_products_are_read(run):
    values = json.loads((run.folder / "card.json").read_text("utf-8"))
    values.pop("products", None)
    for result in values["metrics"].values():
        result.pop("products", None)
    assert Card.model_validate(values).products == {}


def _copy(run, tmp_path):
    import shutil

    return shutil.copytree(run.folder, tmp_path / "run")


def test_defects_are_drawn_on_all_that_a_run_was_trained_on_folder_by_folder(line, tmp_path):
    """The card names several data sets in one line, which is no folder."""
    folders = [str(line / name) for name in ("arm", "base")]
    copy = train("reverse_distillation", tmp_path / "run", data=folders, image_size=64, epochs=1, false_reject=0.2)
    rows = detect_drawn(copy, sizes=(0.2,), draws=4)
    assert {row.product for row in rows} == {"arm", "base"}
    assert copy.drawn()["left_out"] == []
    detect_drawn(copy, folders[0], sizes=(0.2,), draws=4)
    assert copy.drawn()["left_out"] == ["base"]
    for told in (drawn_lines(read_drawn(copy)), view_drawn(copy).lead):
        assert "Nothing was drawn on base" in told
    with pytest.raises(DataError, match="no such folder") as raised:
        detect_drawn(copy, str(tmp_path / "nowhere"))
    assert "--good" in raised.value.fix


def test_the_terminal_tells_the_promise_of_each_product_and_of_all_together(run, tmp_path, capsys):
    for name, seed in (("arm", 8), ("base", 9)):
        Toy(seed=seed, train=5, test_good=0, test_bad=0, size=64).write(tmp_path / "new" / name)
    copy = _copy(run, tmp_path)
    tell(Run(copy), quiet=False)
    told = " ".join(capsys.readouterr().err.split())
    assert "all products together: Of good parts like these, at most 20 % are rejected: promised by 6 held-out" in told
    assert "arm: Of good parts like these, at most 20 % are rejected: promised by 4 held-out" in told
    assert "base: With 2 held-out good images the smallest" in told
    app(["calibrate", str(copy), "--good", str(tmp_path / "new")], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["all products together", "arm", "base"]
    assert "promised by 10 held-out" in lines[0]
    app(["calibrate", str(copy), "--good", str(tmp_path / "new"), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["products"].keys() == {"arm", "base"}
    (tmp_path / "new" / "arm").rename(tmp_path / "new" / "cup")
    app(["calibrate", str(copy), "--good", str(tmp_path / "new")], standalone_mode=False)
    assert "show nothing of arm: their thresholds stay" in " ".join(capsys.readouterr().err.split())


def test_the_table_of_an_evaluation_has_the_mean_of_products(run):
    (result,) = Run(run.folder).card.metrics.values()
    (line,) = [line for line in result_table(result).splitlines() if line.startswith("mean of products")]
    means = [100 * sum(own.pixel_auroc for own in result.products.values()) / 2]
    assert f"{means[0]:.1f}" in line


def test_images_of_no_known_product_on_which_nothing_was_drawn_are_told(run, tmp_path):
    for name, seed in (("arm", 8), ("base", 9), ("rod", 10)):
        Toy(seed=seed, train=8, test_good=0, test_bad=0, size=64).write(tmp_path / name)
    copy = Run(_copy(run, tmp_path))
    known, rod = [str(tmp_path / "arm"), str(tmp_path / "base")], str(tmp_path / "rod")
    calibrate(copy, [*known, rod])
    detect_drawn(copy, known, sizes=(0.2,), draws=4)
    assert copy.drawn()["left_out"] == ["images of no known product"]
    detect_drawn(copy, [*known, rod], sizes=(0.2,), draws=4)
    assert copy.drawn()["left_out"] == []
