from collections import Counter

import numpy as np
import pytest

from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.data.products import MultiDataset, combine, own
from untaught.data.split import split_good, split_products
from untaught.data.toy import Toy
from untaught.errors import DataError
from untaught.image import Recipe

RECIPE = Recipe(height=16, width=16)


@pytest.fixture
def line(put, put_mask, tmp_path):
    """Three products in three layouts; all call their images alike."""
    for number in range(4):
        put(f"bottle/train/good/{number}.png")
        put(f"tile/train/ok/{number}.png")
        put(f"cap/good/{number}.png")
    put("bottle/test/good/0.png")
    put("bottle/test/dent/0.png")
    put_mask("bottle/ground_truth/dent/0_mask.png")
    put_mask("bottle/ground_truth/dent/9_mask.png")
    put("cap/dent/0.png")
    return tmp_path


def test_a_folder_of_products_in_any_layout(line):
    data = open_dataset(line)
    assert isinstance(data, MultiDataset)
    assert list(data.parts) == ["bottle", "cap", "tile"]
    assert data.name == line.name
    assert "3 products" in data.layout
    assert "bottle: MVTec AD layout" in data.layout
    names = [sample.name for sample in data.samples]
    assert len(set(names)) == len(names)
    assert all(sample.name.startswith(f"{sample.product}/") for sample in data.samples)
    splits = [sample.split for sample in data.samples]
    assert splits == sorted(splits, key=lambda split: split == "test")
    assert [path.name for path in data.orphans] == ["9_mask.png"]


def test_a_folder_of_images_that_is_no_product_is_named(line, put):
    put("lid/0.png")
    (line / "notes").mkdir()
    for data in (open_dataset(line), open_dataset([line, "toy"])):
        assert list(data.parts)[:3] == ["bottle", "cap", "tile"]
        assert [path.name for path in data.beside] == ["lid"]
    (told,) = (finding for finding in examine(open_dataset(line)).findings if finding.code == "no-product")
    assert told.names == ("lid",)


def test_everything_is_asked_of_the_products_own_data_set(line):
    data = open_dataset(line)
    for sample in data.samples:
        part, mine = data.parts[sample.product], own(sample)
        assert mine in part.samples
        assert data.source(sample) == part.source(mine)
        assert data.fingerprint(sample) == part.fingerprint(mine)
        assert np.array_equal(data.image(sample, RECIPE), part.image(mine, RECIPE))
    masks = {sample.name: data.mask(sample) for sample in data.samples}
    assert masks["bottle/test/dent/0.png"].sum() == 9
    assert masks["cap/dent/0.png"] is None


def test_data_sets_named_one_by_one_are_the_same_products(line):
    several = open_dataset([line / "bottle", str(line / "cap"), "toy"])
    assert list(several.parts) == ["bottle", "cap", "toy"]
    assert several.name == "bottle + cap + toy"
    assert open_dataset([line / "cap"]) == open_dataset(line / "cap")
    assert list(open_dataset([line, "toy:2"]).parts) == ["bottle", "cap", "tile", "toy:2"]


def test_equal_names_are_told_apart_by_the_folder_above(put, tmp_path):
    for place in ("line1", "line2"):
        put(f"{place}/cap/good/0.png")
    assert list(open_dataset([tmp_path / "line1" / "cap", tmp_path / "line2" / "cap"]).parts) == [
        "line1-cap",
        "line2-cap",
    ]
    with pytest.raises(DataError, match=r"line1-cap comes twice"):
        open_dataset([tmp_path / "line1" / "cap", tmp_path / "line1" / "cap"])
    with pytest.raises(DataError, match="toy comes twice"):
        combine([Toy(), Toy()])


def test_a_drawn_product_beside_another():
    data = combine([Toy(train=4, test_good=1, test_bad=5, size=32), Toy(seed=1, train=4, test_good=0, test_bad=0)])
    assert data.root is None
    assert len({data.fingerprint(sample) for sample in data.samples}) == len(data.samples)


def test_every_part_of_the_split_has_every_product_and_each_is_split_as_if_it_were_alone():
    sizes = {"bottle": 60, "cap": 5, "a/b": 12}
    names = {f"{product}/{number:03}.png": product for product, n in sizes.items() for number in range(n)}
    split = split_products(names, seed=3)
    assert Counter(name for part in split for name in part) == Counter(list(names))
    for product, n in sizes.items():
        alone = split_good([f"{number:03}.png" for number in range(n)], seed=3)
        for part, mine in zip(split, alone, strict=True):
            assert [name for name in part if names[name] == product] == [f"{product}/{name}" for name in mine]


def test_a_product_with_too_few_images_is_named():
    with pytest.raises(DataError, match=r"cap: 3 good images.*at least 4"):
        split_products({**{f"cap/{n}": "cap" for n in range(3)}, **{f"bottle/{n}": "bottle" for n in range(9)}})


def test_one_product_without_a_name_is_split_as_ever():
    names = [f"{n}.png" for n in range(30)]
    assert split_products(dict.fromkeys(names, "")) == split_good(names)
