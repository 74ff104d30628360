from untaught.calibration import Calibration
from untaught.records import Result
from untaught.report import words
from untaught.report.evaluation import Row
from untaught.report.products import products_table, unnamed

ARM, BASE = (
    Calibration.from_scores([step / 10 for step in scores], [1.0] * 9, 0.1) for scores in (range(9), range(10, 19))
)
ALL = Calibration.from_scores([*ARM.scores, *BASE.scores], [1.0] * 18, 0.1)


def row(kind, score):
    return Row(name="a.png", kind=kind, score=score, p_value=0.5, reject=False, size=(8, 8))


def result(rate, threshold):
    return Result(20, 10, image_auroc=0.9, false_reject_rate=rate, miss_rate=0.1, threshold=threshold)


def test_unnamed_images_are_counted_at_the_threshold_of_all_together():
    rows = [row("good", 0.1), row("good", 2.0), row("good", 1.0), row("dent", 3.0), row("dent", 0.5)]
    found = unnamed(rows, 1.0)
    assert (found.n_good, found.n_defective, found.threshold) == (3, 2, 1.0)
    assert (found.false_reject_rate, found.miss_rate) == (1 / 3, 0.5)
    assert found.false_reject_interval[0] < 1 / 3 < found.false_reject_interval[1]
    assert unnamed(rows[:3], 1.0).miss_rate is None


def test_the_row_of_unnamed_images_tells_what_was_measured_at_its_threshold():
    together = unnamed([row("good", 1.9), row("good", 0.0), row("dent", 3.0)], ALL.image.value)
    results = {"arm": result(0.05, ARM.image.value), "base": result(0.1, BASE.image.value)}
    table = products_table(ALL, {"arm": ARM, "base": BASE}, results, 0.3, together)
    named = {cells[0].text: [cell.text for cell in cells[3:]] for cells in table.rows}
    assert named["any, not named"] == ["1 of 2", "0 of 1", "", "", ""]
    assert named["arm"][:2] == ["1 of 20", "1 of 10"]
    bare = products_table(ALL, {"arm": ARM, "base": BASE}, {}, 0.3)
    assert [cell.text for cell in bare.rows[-1][3:]] == ["", ""]


def test_each_product_is_held_to_its_own_promise():
    products = {"arm": ARM.image, "base": BASE.image}
    parts = {"arm": result(0.1, ARM.image.value), "base": result(0.1, BASE.image.value)}
    whole = Result(40, 20, false_reject_rate=0.1, threshold=ALL.image.value, products=parts)
    assert words.warnings(ALL.image, whole, 0, products) == []
    parts["base"] = result(0.9, BASE.image.value)
    (text,) = words.warnings(ALL.image, whole, 0, products)
    assert text.startswith("base: 18 of 20")
    parts["base"] = result(0.1, 7.0)
    (text,) = words.warnings(ALL.image, whole, 0, products)
    assert text.startswith("base: These figures were taken at a threshold of 7")
