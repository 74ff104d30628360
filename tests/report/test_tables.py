from dataclasses import replace

from untaught.records import Result
from untaught.report import tables
from untaught.report.evaluation import Row


def row(name, kind, score, reject):
    return Row(name=name, kind=kind, score=score, p_value=0.5, reject=reject, size=(8, 8))


def test_worst_images_first():
    rows = [row("a", "good", 1, False), row("b", "good", 5, True), row("c", "good", 9, True), row("d", "hole", 7, True)]
    rows += [
        row("e", "hole", 2, False),
        row("f", "hole", 1, False),
        row("g", "good", 3, False),
        row("h", "hole", 6, True),
    ]
    table, left_out = tables.image_table(rows)
    assert "".join(cells[0].text for cells in table.rows) == "fecbhdga"
    assert left_out == 0


def test_a_long_list_is_cut_and_says_so(monkeypatch):
    monkeypatch.setattr(tables, "ROWS_SHOWN", 2)
    table, left_out = tables.image_table([row(str(i), "good", i, False) for i in range(5)])
    assert (len(table.rows), left_out) == (2, 3)


def test_least_found_kind_first():
    kinds = {"easy": Result(9, 4, image_auroc=1.0, miss_rate=0.0), "hard": Result(9, 4, image_auroc=0.7, miss_rate=0.5)}
    table = tables.kinds_table(Result(9, 8, kinds=kinds))
    assert [cells[0].text for cells in table.rows] == ["hard", "easy"]
    assert table.rows[0][1].text == "2 of 4"


def test_a_kind_without_figures_is_dashes():
    table = tables.kinds_table(Result(0, 3, kinds={"odd": Result(0, 3)}))
    assert [cell.text for cell in table.rows[0][1:]] == ["–"] * 6


def test_best_is_told_only_where_there_is_a_difference():
    assert tables.is_best(0.9, [0.9, 0.8, None])
    assert not tables.is_best(0.8, [0.9, 0.8])
    assert tables.is_best(0.1, [0.1, 0.2], -1)
    assert not tables.is_best(0.9, [0.9, 0.9])
    assert not tables.is_best(0.9, [0.9, None])
    assert not tables.is_best(None, [None, 0.9])


def test_kinds_are_compared_only_on_the_same_data(make_run):
    card = make_run().card
    result = card.metrics["plate"]
    assert tables.kinds_comparison([("a", card, "plate", result), ("b", card, "other", result)]) is None
    assert tables.kinds_comparison([("a", card, "plate", result), ("b", card, "plate", None)]) is None
    table = tables.kinds_comparison([("a", card, "plate", result), ("b", card, "plate", result)])
    assert [cells[0].text for cells in table.rows] == ["hole", "scratch", "stain"]


def test_other_data_of_the_same_run(make_run):
    card = make_run().card
    assert tables.other_results(card, "plate") is None
    table = tables.other_results(card, "bracket")
    assert table.rows[0][0].text == "plate"


def test_terminal_table_is_ascii_and_aligned(make_run):
    result = make_run().card.metrics["plate"]
    text = tables.result_table(replace(result, pixel_auroc=None, kinds={"scratch": result}))
    assert text.isascii()
    first, _, head, total, kind = text.splitlines()
    assert first.startswith("Finds")
    assert len(head) == len(total) == len(kind)
    assert total.split()[:3] == ["all", "12", "12"]
    assert " - " in total
    assert "93.4 %" in kind
