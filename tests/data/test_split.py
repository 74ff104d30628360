import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from untaught.data.split import hold_out, shuffled, sizes, split_good
from untaught.errors import DataError

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=4, max_size=300, unique=True)


@given(NAMES, st.integers(0, 5))
def test_parts_are_disjoint_and_together_all_and_order_is_of_no_matter(names, seed):
    split = split_good(names, seed)
    assert sorted([*split.train, *split.monitor, *split.calibration]) == sorted(names)
    assert min(len(part) for part in split) >= 1
    assert len(split.train) >= 2
    assert split == split_good(names[::-1], seed)


@pytest.mark.parametrize(
    ("n", "monitor", "calibration"),
    [
        (4, 1, 1),
        (9, 1, 1),
        (10, 2, 2),
        (32, 2, 6),
        (60, 3, 12),
        (100, 5, 20),
        (209, 10, 21),
        (761, 38, 77),
        (5000, 250, 500),
    ],
)
def test_how_many_are_kept(n, monitor, calibration):
    assert sizes(n) == (monitor, calibration)
    split = split_good([f"{i:04}.png" for i in range(n)])
    assert (len(split.monitor), len(split.calibration)) == (monitor, calibration)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_are_refused_with_both_numbers(n):
    with pytest.raises(DataError, match=f"{n} good image.*at least 4"):
        split_good([str(i) for i in range(n)])


def test_another_seed_is_another_split():
    names = [f"{i}.png" for i in range(50)]
    assert split_good(names, 0) != split_good(names, 1)


def test_the_split_is_the_same_everywhere():
    """Pinned, because runs that were trained must be repeatable with any later version."""
    split = split_good([f"{i:03}.png" for i in range(12)])
    assert split.calibration == ("003.png", "008.png")
    assert split.monitor == ("000.png", "002.png")


def test_composed_and_decomposed_names_fall_alike():
    names = [f"Prüfling {i}.png" for i in range(30)]
    decomposed = [unicodedata.normalize("NFD", name) for name in names]
    assert [unicodedata.normalize("NFC", name) for name in shuffled(decomposed)] == shuffled(names)


def test_names_must_be_unique():
    with pytest.raises(DataError, match="comes twice"):
        split_good(["a", "b", "c", "d", "a"])


def test_hold_out_takes_a_share_and_moves_little_when_images_are_added():
    names = [f"{i}.png" for i in range(100)]
    kept = hold_out(names, 0.2)
    assert len(kept) == 20
    assert len(hold_out(names, 0.2, most=7)) == 7
    assert hold_out(names[:4], 0.2) == frozenset()
    assert len(kept & hold_out([*names, "new.png"], 0.2)) >= 19
