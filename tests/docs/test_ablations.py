"""Pages of ablations are made from records alone, and compare like with like."""

import aand
import dmdd
import multiclass
import numpy as np
import pytest

from untaught.metrics.accumulate import MaskedMap

MACHINE = {"device": "a mill", "cores": "2"}


def part(arm, product, seed, pixel, inside=0.9):
    figures = {"image_auroc": 1.0, "pixel_auroc": pixel, "aupro": 0.7, "edge": 0.8, "inside": inside}
    return {"arm": arm, "product": product, "seed": seed, "figures": figures, "machine": MACHINE, "versions": {}}


def variant(name, product, seed, pixel, **more):
    figures = {"image_auroc": 1.0, "pixel_auroc": pixel, "aupro": 0.7}
    training = {"measured": {"amplify": {"gate AUROC": 0.9}}}
    row = {"variant": name, "product": product, "seed": seed, "figures": figures, "training": training}
    return row | {"machine": MACHINE, "cpu_seconds": 50.0} | more


def model(name, seed, pixel):
    figures = {"image_auroc": 1.0, "pixel_auroc": pixel, "aupro": 0.7}
    return {
        "name": name, "seed": seed, "figures": {"cup": figures}, "mean": figures, "epochs": 3, "parameters": 10,
        "bytes": 10, "cpu_seconds": 5.0, "cpu_seconds_per_image": 0.01, "machine": MACHINE, "versions": {},
    }  # fmt: skip


def test_parts_of_dmdd_are_compared_on_seeds_that_all_have():
    records = [part("trunk only", "cup", seed, pixel) for seed, pixel in enumerate((0.9, 0.8, 0.8))]
    records.append(part("+ normality", "cup", 0, 0.88))
    text = dmdd.page(records, [])
    assert "| trunk only | 100.0 | 90.0 | 70.0 | 80.0 | 90.0 | 0 |" in text
    assert "| + normality | 100.0 | 88.0 | 70.0 | 80.0 | 90.0 | 0 |" in text


def test_papers_count_as_one_in_the_mean_of_dmdds_parts_and_a_product_without_inside_not_at_all():
    pixels = {"cup": 0.6, "pa_bdp01_tl": 0.8, "pa_gla01_tl": 1.0}
    records = [part("trunk only", name, 0, value, None if name == "cup" else 0.5) for name, value in pixels.items()]
    assert "| trunk only | 100.0 | 75.0 | 70.0 | 80.0 | 50.0 | 0 |" in dmdd.page(records, [])


def test_edge_and_inside_are_apart_and_few_pixels_have_no_figure():
    mask = np.zeros((96, 96), np.bool_)
    mask[10:60, 10:60] = True
    inside = dmdd.inside(mask)
    assert inside.sum() == 44**2
    scores = np.where(inside, 2.0, np.where(mask, -1.0, 0.0)).astype(np.float32)
    assert dmdd.sides([MaskedMap("a", scores, mask, "hole")]) == {"edge": 0.0, "inside": 1.0}
    assert dmdd.sides([MaskedMap("a", scores[::2, ::2], mask[::2, ::2], "hole")])["inside"] is None


def test_variants_of_aand_are_compared_on_seeds_that_all_have_and_averaged_over_the_same_products():
    rows = [variant(name, product, 0, 0.9) for name in aand.METHODS for product in ("cup", "pin")]
    rows += [variant("aand", "cup", 1, 0.1), variant("without amplification", "cup", 0, 0.8)]
    rows.append(variant("without amplification", "pin", 0, 0.6))
    text = aand.page(rows, [])
    assert "| cup | 100.00 / 90.00 / 70.00 (0) | 100.00 / 90.00 / 70.00 (0) | 100.00 / 80.00 / 70.00 (0) |" in text
    assert text.count("| mean of these 2: cup, pin |") == 1
    assert "| 100.00 / 70.00 / 70.00 (0) |" in text


def test_one_model_for_all_is_compared_on_seeds_that_both_have():
    every = [model("stfpm", 0, 0.93), model("dcam", 0, 0.94), model("dcam", 1, 0.98)]
    every.append(model(multiclass.PUBLISHED, 0, 0.9))
    (told, _) = multiclass.bar(every)
    assert "it is +1.0 (seed 0), not reached" in told
    assert "published form it is +4.0 (seed 0)" in told
    assert multiclass.bar(every[:2]) == []
    text = multiclass.page(every, [], ["stfpm", "dcam"], ["cup"], [0, 1])
    assert "| dcam | 0, 1 | 100.0 / 96.0 / 70.0 |" in text


@pytest.mark.parametrize("page", [dmdd, aand])
def test_what_was_tried_by_hand_stands_at_the_end(page):
    assert "## What else was tried" in page.page([], [])
