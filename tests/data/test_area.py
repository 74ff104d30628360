"""Polygons and mask pictures become one mask; what is no region is one clear error."""

import json

import numpy as np
import pytest
from PIL import Image

from untaught.data.area import inspected, read_region, region_file
from untaught.errors import ConfigError, MaskError

SQUARE = [[10, 20], [30, 20], [30, 60], [10, 60]]


def write(folder, value):
    path = folder / "region.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_polygon_in_pixels_is_scaled_to_the_picture(tmp_path):
    region = read_region(write(tmp_path, SQUARE), (50, 40), (100, 80))
    assert region.shape == (40, 50)
    y, x = np.nonzero(region)
    assert (x.min(), x.max(), y.min(), y.max()) == (5, 14, 10, 29)
    assert region.sum() == 10 * 20


def test_shares_and_several_polygons(tmp_path):
    shares = [[[0, 0], [0.25, 0], [0.25, 1], [0, 1]], [[0.75, 0], [1, 0], [1, 1], [0.75, 1]]]
    region = read_region(write(tmp_path, shares), (40, 20), None)
    assert region[:, :10].all()
    assert not region[:, 10:30].any()
    assert region[:, 30:].all()


def test_a_slope_takes_the_pixels_whose_centre_is_inside(tmp_path):
    half = read_region(write(tmp_path, [[0, 0], [40, 0], [0, 40]]), (40, 40), (40, 40))
    y, x = np.mgrid[:40, :40] + 0.5
    assert np.array_equal(half, x + y < 40)


def test_a_mask_picture_is_stretched(tmp_path):
    mask = np.zeros((10, 20), np.uint8)
    mask[:, :10] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    region = read_region(tmp_path / "m.png", (40, 40), None)
    assert region[:, :20].all()
    assert not region[:, 20:].any()


def test_ignore_is_taken_from_the_region_of_interest(tmp_path):
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps([[0, 0], [100, 0], [100, 40], [0, 40]]))
    inside = inspected(roi, write(tmp_path, SQUARE), (100, 80), (100, 80))
    assert inside[10, 50]
    assert not inside[30, 20]
    assert not inside[60, 50]
    assert inspected(None, None, (100, 80), None).all()
    assert inspected(None, write(tmp_path, SQUARE), (100, 80), (100, 80))[60, 50]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "[[1, 2]]", "[[1, 2], [3, 4], [5]]", '[["a", 2], [3, 4], [5, 6]]', "[[1, 2], [3, -4], [5, 6]]"],
)
def test_what_is_no_polygon_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="is no polygon"):
        read_region(write(tmp_path, text), (40, 40), (40, 40))


def test_other_errors_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_region(tmp_path / "none.json", (40, 40), None)
    with pytest.raises(ConfigError, match="shares of width and height"):
        read_region(write(tmp_path, SQUARE), (40, 40), None)
    with pytest.raises(ConfigError, match="reaches to 30, 60, but the images have 30 x 40 px"):
        read_region(write(tmp_path, SQUARE), (40, 40), (30, 40))
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(MaskError):
        read_region(tmp_path / "text.png", (40, 40), None)
    everything = tmp_path / "all.json"
    everything.write_text("[[0, 0], [1, 0], [1, 1], [0, 1]]")
    with pytest.raises(ConfigError, match="nothing to look at"):
        inspected(None, everything, (40, 40), None)


def test_a_folder_holds_one_file_a_product(tmp_path):
    products = ["cap", "ring", "v1.2"]
    for name in ("cap.json", "v1.2.png", ".hidden"):
        (tmp_path / name).touch()
    assert region_file(tmp_path, "cap", products) == tmp_path / "cap.json"
    assert region_file(tmp_path, "v1.2", products) == tmp_path / "v1.2.png"
    assert region_file(tmp_path, "ring", products) is None
    assert region_file(tmp_path / "cap.json", "ring", products) == tmp_path / "cap.json"
    assert region_file(None, "ring", products) is None
    (tmp_path / "cap.png").touch()
    with pytest.raises(ConfigError, match=r"cap\.json and cap\.png"):
        region_file(tmp_path, "cap", products)
    (tmp_path / "cup.png").touch()
    with pytest.raises(ConfigError, match=r"cup\.png, which is named after no product.*cap, ring"):
        region_file(tmp_path, "ring", products)
    (tmp_path / "cup.png").unlink()
    (tmp_path / "masks").mkdir()
    with pytest.raises(ConfigError, match="masks, which is named after no product"):
        region_file(tmp_path, "ring", products)
    (tmp_path / "masks").rename(tmp_path / "ring")
    with pytest.raises(ConfigError, match="no such file"):
        read_region(region_file(tmp_path, "ring", products), (8, 8), None)
    (tmp_path / "ring").rmdir()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no file"):
        region_file(tmp_path / "empty", "ring", products)


def test_a_product_trained_alone_takes_its_file_from_the_folder_of_its_line(tmp_path):
    for name in ("cap.json", "ring.png"):
        (tmp_path / name).touch()
    assert region_file(tmp_path, "cap", ["cap"]) == tmp_path / "cap.json"
    with pytest.raises(ConfigError, match=r"cap\.json, which is named after no product.*cup"):
        region_file(tmp_path, "cup", ["cup"])
