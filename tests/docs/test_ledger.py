"""Records of runs outlive the folder of runs."""

import json

import ledger
import pytest


def record(method, product, seed, auroc):
    return {
        "method": method,
        "product": product,
        "seed": seed,
        "figures": {"pixel_auroc": auroc},
        "machine": {"device": "mill"},
    }


def test_a_finished_run_replaces_what_was_known_and_others_stay(tmp_path):
    page = tmp_path / "page.json"
    page.write_text(json.dumps([record("a", "bottle", 0, 0.5), record("a", "bottle", 1, 0.6)]))
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "one.json").write_text(json.dumps(record("a", "bottle", 0, 0.7)))
    (runs / "other.json").write_text(json.dumps({"arm": "a", "product": "bottle", "seed": 0}))
    every = ledger.kept(page, runs, ("method", "product", "seed"))
    assert [item["figures"]["pixel_auroc"] for item in every] == [0.7, 0.6]
    assert json.loads(page.read_text()) == every
    assert ledger.kept(page, None, ("method", "product", "seed")) == every


def test_papers_count_as_one_of_four_and_a_seed_that_lacks_a_product_not_at_all():
    values = {"bottle": 0.9, "screw": 1.0, "magnetic_tile": 0.5} | dict.fromkeys(ledger.PAPERS, 0.6)
    values["pa_gla01_tl"] = 1.2
    records = [record("a", product, 0, value) for product, value in values.items()]
    records += [record("a", product, 1, value) for product, value in values.items() if product != "screw"]
    assert ledger.of_sets(records, "pixel_auroc") == [pytest.approx((0.7 + 0.9 + 1.0 + 0.5) / 4)]


def test_methods_are_compared_on_seeds_that_all_of_them_have(tmp_path, monkeypatch):
    values = {"bottle": 0.9, "screw": 1.0, "magnetic_tile": 0.5} | dict.fromkeys(ledger.PAPERS, 0.6)
    both = [record(name, product, 0, value) for name in ("a", "b") for product, value in values.items()]
    more = [record("a", product, 1, 0.1) for product in values]
    monkeypatch.setattr(ledger, "RESULTS", tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps({"ours": both + more}))
    rows = ledger.comparison(None, ("a", "b"), {"pixel_auroc": "pixel"})
    assert rows[2:] == ["| a | 1 | 75.00 |", "| b | 1 | 75.00 |", ""]


def test_a_figure_that_is_not_known_leaves_its_product_out_of_the_mean():
    records = [record("a", "bottle", 0, 0.9), record("a", "pa_bdp01_tl", 0, None), record("a", "pa_gla01_tl", 0, 0.5)]
    products = ("bottle", "pa_bdp01_tl", "pa_gla01_tl")
    assert ledger.of_sets(records, "pixel_auroc", products) == [pytest.approx(0.7)]


def test_seeds_in_common_are_those_of_all_groups_that_have_any():
    groups = [[record("a", "bottle", seed, 0.5) for seed in seeds] for seeds in ((0, 1, 2), (), (2, 0))]
    assert ledger.common(groups) == [0, 2]
    assert ledger.common([[]]) == []
