"""Pixel figures against scikit-learn, adeval and a brute-force reference."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from untaught.errors import MetricError
from untaught.metrics.accumulate import MaskedMap, pixel_metrics

LIMITS = (0.3, 0.05, 1.0)


@st.composite
def image_sets(draw):
    """A few small maps and masks: continuous scores, few levels or one, any sign and size, regions up to the border."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    count = draw(st.integers(1, 4))
    levels = draw(st.sampled_from([1, 2, 5, 1000, 0]))
    scale, shift = draw(st.sampled_from([(1, 0), (1e-30, 0), (1e30, -5e29), (-1, 0), (1, 1000), (1e-42, 0)]))
    size = (count, *shape)
    drawn = rng.integers(0, levels, size) / levels if levels else rng.random(size)
    maps = (drawn * scale + shift).astype(draw(st.sampled_from([np.float32, np.float64])))
    masks = rng.random(size) < draw(st.sampled_from([0.02, 0.3, 0.9]))
    masks[0].flat[draw(st.integers(0, masks[0].size - 1))] = True
    masks[draw(st.integers(0, count - 1))].flat[0] = False
    if not masks.any() or masks.all():
        masks.flat[0], masks.flat[-1] = True, False
    if masks.size == 1:
        maps, masks = np.zeros((1, 1, 2), maps.dtype), np.array([[[True, False]]])
    return maps, masks


def items(maps, masks, groups=None):
    return [
        MaskedMap(f"{i}.png", scores, mask if mask.any() else None, groups and groups[i])
        for i, (scores, mask) in enumerate(zip(maps, masks, strict=True))
    ]


@given(image_sets(), st.sampled_from([40, 1 << 21]))
@settings(deadline=None, max_examples=100)
def test_equal_to_scikit_learn_and_to_brute_force(reference_aupro, drawn, chunk):
    maps, masks = drawn
    found = pixel_metrics(items(maps, masks), LIMITS, chunk=chunk)
    labels, values = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(labels, values)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    assert found.auroc == pytest.approx(roc_auc_score(labels, values), abs=1e-9)
    assert found.ap == pytest.approx(average_precision_score(labels, values), abs=1e-9)
    assert found.f1_max == pytest.approx(f1.max(), abs=1e-9)
    alarms = values >= found.f1_threshold
    assert 2 * (alarms & labels).sum() / (alarms.sum() + labels.sum()) == pytest.approx(found.f1_max, abs=1e-9)
    for limit in LIMITS:
        assert found.aupro[limit] == pytest.approx(reference_aupro(maps, masks, limit), abs=1e-9)
    assert (found.defect_pixels, found.good_pixels) == (masks.sum(), (~masks).sum())


@pytest.mark.parametrize("levels", [1023, 20, 2])
def test_equal_to_adeval_on_quantised_maps(monkeypatch, rng, levels):
    """Scores on its 1024 strips and one strip left free on top make adeval's binned curve exact, ties included."""
    adeval = pytest.importorskip("adeval")
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # gone from numpy 2.4, adeval 1.1 still calls it
    masks = rng.random((6, 24, 24)) < 0.05
    masks[:2, 0, :] |= rng.random((2, 24)) < 0.5
    masks[4:] = False
    maps = np.floor((rng.random(masks.shape) * 0.6 + masks * 0.4) * levels).astype(np.float32)
    peer = adeval.EvalAccumulator(0.0, 1024.0, nstrips=1024)
    for scores, mask in zip(maps, masks, strict=True):
        peer.add_anomap(scores, mask.astype(np.uint8))
    found = pixel_metrics(items(maps, masks))
    assert found.aupro[0.3] == pytest.approx(peer._aupro(), abs=1e-6)
    assert found.auroc == pytest.approx(peer._auroc(peer._pixel_acc), abs=1e-6)


def test_equal_to_adeval_on_continuous_maps(rng):
    """Its copy of the exact curve has a point at each good score only, which is all of it where defects share one."""
    reference = pytest.importorskip("adeval.au_pro")
    maps = rng.permutation(3 * 400).reshape(3, 20, 20).astype(np.float32) / 7
    masks = rng.random(maps.shape) < 0.1
    maps[masks] = rng.choice(maps[~masks], masks.sum())
    found = pixel_metrics(items(maps, masks), LIMITS)
    for limit in (0.3, 0.05):
        expected, _ = reference.calculate_au_pro(list(masks), list(maps), limit, num_thresholds=int((~masks).sum()))
        assert found.aupro[limit] == pytest.approx(expected, abs=1e-9)


def test_groups_are_what_they_would_be_alone_beside_the_good_images(rng):
    groups = ["crack", None, "stain", "crack", None, "stain", "crack"]
    masks = rng.random((7, 16, 16)) < 0.1
    masks[[1, 4]] = False
    maps = rng.integers(0, 60, masks.shape).astype(np.float32) + 20 * masks
    everything = items(maps, masks, groups)
    found = pixel_metrics(everything, LIMITS, chunk=100)
    assert set(found.groups) == {"crack", "stain"}
    for name, of_group in found.groups.items():
        alone = pixel_metrics([item for item in everything if item.group in (name, None)], LIMITS)
        for key in ("auroc", "ap", "f1_max", "f1_threshold", "regions", "defect_pixels", "good_pixels"):
            assert getattr(of_group, key) == pytest.approx(getattr(alone, key), abs=1e-12)
        assert of_group.aupro == pytest.approx(alone.aupro, abs=1e-12)
        assert np.allclose(of_group.pro.y, alone.pro.y)
    without = pixel_metrics(items(maps, masks), LIMITS)
    assert found.aupro == pytest.approx(without.aupro, abs=1e-12)
    assert found.regions == sum(of_group.regions for of_group in found.groups.values())


def test_a_group_of_which_nothing_can_be_said_is_absent(rng):
    maps = rng.random((3, 4, 4))
    full, empty = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    masks = [full, empty, np.eye(4, dtype=bool)]
    listed = [MaskedMap("a", maps[0], full, "full"), MaskedMap("b", maps[1], empty, "empty")]
    listed.append(MaskedMap("c", maps[2], masks[2], "some"))
    found = pixel_metrics(listed)
    assert set(found.groups) == {"some"}
    assert found.good_pixels == 16 + 12


def test_images_may_differ_in_size_and_the_source_may_reuse_its_array(rng):
    sizes = [(5, 9), (1, 1), (12, 3)]
    maps = [rng.random(size).astype(np.float32) for size in sizes]
    masks = [rng.random(size) < 0.3 for size in sizes]
    masks[0][0, 0], masks[0][0, 1] = True, False
    buffer = np.empty(200, np.float32)

    def source():
        for number, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
            view = buffer[: scores.size].reshape(scores.shape)
            view[...] = scores
            yield MaskedMap(str(number), view, mask if mask.any() else None)
            buffer[:] = np.nan

    labels = np.concatenate([mask.ravel() for mask in masks])
    values = np.concatenate([scores.ravel() for scores in maps])
    assert pixel_metrics(source).auroc == pytest.approx(roc_auc_score(labels, values))


def test_curves_end_in_the_corners_and_are_short_enough_to_plot(rng):
    masks = rng.random((2, 64, 64)) < 0.3
    found = pixel_metrics(items(rng.random(masks.shape), masks))
    for curve in (found.roc, found.pro):
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert np.all(np.diff(curve.x) >= 0)
        assert np.all(np.diff(curve.y) >= 0)
        assert len(curve.x) <= 512
    assert np.trapezoid(found.roc.y, found.roc.x) == pytest.approx(found.auroc, abs=0.01)


@pytest.mark.parametrize("width", [1.0, 1e-4])  # few or most good pixels fall between those of defects
def test_memory_does_not_grow_with_good_pixels(rng, width):
    def draw(rng):
        return (1 + width * rng.random((128, 128))).astype(np.float32)

    bad = MaskedMap("bad", draw(rng), rng.random((128, 128)) < 0.02)

    def peak(good):
        def source():
            yield bad
            for number in range(good):
                yield MaskedMap(str(number), draw(np.random.default_rng(number)))

        tracemalloc.start()
        pixel_metrics(source, chunk=1 << 14, workers=1)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(220) - peak(20) < 200 * 128 * 128 * 4 / 10  # a tenth of what the maps would take


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("number", [0, 1])
def test_a_map_that_is_not_finite_is_refused_by_name(rng, bad, number):
    maps, masks = rng.random((2, 4, 5)).astype(np.float32), np.zeros((2, 4, 5), bool)
    masks[0, 1, 1] = True
    maps[number, 2, 3] = bad
    with pytest.raises(MetricError, match=rf"{number}\.png is (nan|-?inf) at row 2, column 3"):
        pixel_metrics(items(maps, masks))


ONE = np.eye(3, dtype=bool)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (MaskedMap("a.png", np.zeros((3, 4)), ONE), r"mask of a\.png is bool of shape \(3, 3\)"),
        (MaskedMap("a.png", np.zeros((3, 3)), ONE.astype(np.uint8) * 255), r"mask of a\.png is uint8"),
        (MaskedMap("a.png", np.zeros((3, 3, 1)), ONE), r"map of a\.png is float64 of shape \(3, 3, 1\)"),
        (MaskedMap("a.png", np.zeros((3, 3), np.uint8), ONE), r"map of a\.png is uint8"),
        (MaskedMap("a.png", np.zeros((3, 3)), None, "scratch"), r"a\.png is defective \(scratch\) and has no mask"),
        (MaskedMap("a.png", np.zeros((3, 3)), np.ones((3, 3), bool)), "no good pixel"),
        (MaskedMap("a.png", np.zeros((3, 3)), np.zeros((3, 3), bool)), "no mask shows a defect"),
        (MaskedMap("a.png", np.zeros((3, 3))), "no image has a mask"),
    ],
)
def test_what_cannot_be_measured_is_refused(item, message):
    with pytest.raises(MetricError, match=message):
        pixel_metrics([item])


def test_a_source_that_can_be_read_once_only_is_refused(rng):
    listed = [MaskedMap("a", rng.random((3, 3)), ONE)]
    with pytest.raises(MetricError, match="read once only"):
        pixel_metrics(iter(listed))
    readings = iter([listed, []])
    with pytest.raises(MetricError, match="second reading"):
        pixel_metrics(lambda: next(readings))
