import numpy as np
import pytest

from untaught.errors import BundleError, ConfigError
from untaught.export.gate import Cost, correlation, drawn
from untaught.image import EVERYWHERE, Area, Recipe
from untaught.records import ScoreMap


def answers(scores, *, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(9).normal(size=(8, 8)).astype(np.float32)
    return [ScoreMap(base + noise * rng.normal(size=(8, 8)).astype(np.float32), score) for score in scores]


def cost(good, bad, noise):
    made = Cost()
    made.add(zip(answers([0.0, 1.0, 2.0]), answers(good), strict=True), defective=False)
    made.add(zip(answers([3.0, 4.0, 5.0]), answers(bad, noise=noise), strict=True), defective=True)
    return made


def test_the_gate_lets_through_what_changes_nothing_and_keeps_its_figures():
    record = cost([0.1, 1.1, 2.1], [3.1, 4.0, 5.0], 0.05).check("int8")
    assert (record.auroc, record.auroc_after) == (1.0, 1.0)
    assert 0.99 < record.correlation < 1


@pytest.mark.parametrize(
    ("good", "bad", "noise", "figures"),
    [
        ([0.0, 1.0, 3.5], [3.0, 4.0, 5.0], 0.0, r"1\.0000 to 0\.8889"),
        ([0.0, 1.0, 2.0], [3.0, 4.0, 5.0], 1.0, r"correlate by 0\.[0-8]"),
        ([0.0, 1.0, 2.0], [3.0, 4.0, np.nan], 0.0, r"1\.0000 to 0\.0000"),
    ],
)
def test_the_gate_refuses_with_the_figures(good, bad, noise, figures):
    with pytest.raises(BundleError, match=figures):
        cost(good, bad, noise).check("int8")


def test_a_flat_map_correlates_with_nothing():
    flat, other = ScoreMap(np.zeros((4, 4), np.float32), 0.0), answers([0.0])[0]
    assert correlation(flat, flat) == 0.0
    assert correlation(other, other) == pytest.approx(1.0)


def test_defects_are_drawn_from_the_seed_alone_and_only_on_colour():
    pixels = [np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8) for number in range(4)]
    good = [(EVERYWHERE, {"image": image}) for image in pixels]
    first, again = list(drawn(good, 1)), list(drawn(good, 1))
    assert first
    assert all(np.array_equal(one["image"], two["image"]) for (_, one), (_, two) in zip(first, again, strict=True))
    assert any((one["image"] != two["image"]).any() for (_, one), (_, two) in zip(first, drawn(good, 2), strict=False))
    with pytest.raises(ConfigError, match="depth alone"):
        list(drawn([(EVERYWHERE, {"depth": np.zeros((4, 4, 2), np.float32)})], 0))


def test_defects_are_drawn_where_a_picture_is_looked_at():
    inside = np.zeros((64, 64), np.bool_)
    inside[40:, 40:] = True
    recipe = Recipe(height=64, area=Area.of(inside, (9, 9, 9)))
    rng = np.random.default_rng(0)
    good = [
        (recipe, {"image": recipe.area.paint(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8))}) for _ in range(6)
    ]
    bad = list(drawn(good, 1))
    assert len(bad) > 3
    for _, one in bad:
        assert all((one["image"] != other["image"])[inside].any() for _, other in good)
        assert (one["image"][~inside] == 9).all(), "as outside of every picture that is read"
    black = [(EVERYWHERE, {"image": np.zeros((64, 64, 3), np.uint8)})]
    tiny = Area.of(np.arange(64 * 64).reshape(64, 64) == 0, (9, 9, 9))
    with pytest.raises(ConfigError, match="export in fp32"):
        list(drawn([(recipe.model_copy(update={"area": tiny}), one) for _, one in black], 1))
