import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from untaught.errors import ImageError
from untaught.image import Area, DepthRecipe, Limits, Recipe, WithDepth, find_depth, load_depth, read_inputs
from untaught.image.depth_file import is_depth_file

LIMITS = Limits()
Z = np.linspace(0.4, 0.6, 80, dtype=np.float32).reshape(8, 10)
RECIPE = Recipe(height=16, width=16, depth=DepthRecipe())
IMAGE = np.full((8, 10, 3), 90, np.uint8)


def xyz():
    y, x = np.mgrid[:8, :10].astype(np.float32)
    return np.stack([x, y, Z], axis=2)


@pytest.mark.parametrize("name", ["a.tiff", "b.tif", "c.npy", "d.png"])
def test_every_form_gives_metres(tmp_path, name):
    path = tmp_path / name
    if name == "a.tiff":
        tifffile.imwrite(path, xyz(), photometric="rgb")
    elif name == "b.tif":
        tifffile.imwrite(path, Z)
    elif name == "c.npy":
        np.save(path, xyz())
    else:
        Image.fromarray(np.round(Z * 1000).astype(np.uint16)).save(path)
    for source in (path, str(path), path.read_bytes()):
        distance = load_depth(source, 0.001, LIMITS)
        assert distance.dtype == np.float32
        assert np.allclose(distance, Z, atol=5.1e-4 if name == "d.png" else 1e-7)


def test_channels_first_tiff_is_turned(tmp_path):
    tifffile.imwrite(tmp_path / "a.tiff", np.moveaxis(xyz(), 2, 0), photometric="minisblack")
    assert np.allclose(load_depth(tmp_path / "a.tiff", 1, LIMITS), Z)


def test_what_is_not_finite_was_not_measured():
    values = Z.copy()
    values[0, :2] = np.nan, np.inf
    assert load_depth(values, 1, LIMITS)[0, :3].tolist() == [0, 0, pytest.approx(Z[0, 2])]


def test_what_is_no_depth_is_refused(tmp_path):
    picture = tmp_path / "colour.png"
    Image.fromarray(IMAGE).save(picture)
    file = io.BytesIO()
    np.save(file, Z)
    (tmp_path / "cut.tiff").write_bytes(b"II*\0 nothing")
    (tmp_path / "empty.npy").touch()
    tifffile.imwrite(tmp_path / "colour.tif", IMAGE, photometric="rgb")
    for source, word in (
        (np.zeros((4, 4, 2)), "array"),
        (np.zeros((4, 4)), "no pixel holds"),
        (np.zeros((4, 4), bool), "bool"),
        (np.ones((4, 4), np.uint8), "16 bits or more"),
        (np.full((4, 4), -np.finfo(np.float64).max), r"metres, and 0 or NaN where nothing was measured"),
        (np.where(np.eye(4), np.finfo(np.float32).max, 0.5).astype(np.float32), r"3\.4e\+38 m"),
        (picture, "mode RGB"),
        (tmp_path / "colour.tif", "not as 8-bit grey or colours"),
        (tmp_path / "empty.npy", r"empty file.*\.npy file of distances"),
        (b"P5 2 2 255", r"begins with b'P5 2 2 255'.*\.npy file of distances"),
        (file.getvalue()[:-9], "damaged"),
        (tmp_path / "cut.tiff", "damaged|array"),
        (tmp_path / "missing.npy", "cannot be read"),
    ):
        with pytest.raises(ImageError, match=word):
            load_depth(source, 1, LIMITS)
    with pytest.raises(ImageError, match="at most 20"):
        load_depth(Z, 1, Limits(max_pixels=20))


def test_the_depth_file_of_an_image_named_from_its_own_folder(tmp_path, monkeypatch):
    for folder in ("rgb", "xyz"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "rgb")
    assert find_depth(Path("7.png")) is None
    assert find_depth(Path("/7.png")) is None
    (tmp_path / "xyz" / "7.npy").touch()
    assert find_depth(Path("7.png")) == tmp_path / "xyz" / "7.npy"


def test_the_depth_file_of_an_image(tmp_path):
    for folder in ("rgb", "xyz", "depth", "flat"):
        (tmp_path / folder).mkdir()
    image = tmp_path / "rgb" / "7.png"
    assert find_depth(image) is None
    (tmp_path / "depth" / "7.png").touch()
    assert find_depth(image) == tmp_path / "depth" / "7.png"
    (tmp_path / "xyz" / "7.npy").touch()
    assert find_depth(image) == tmp_path / "xyz" / "7.npy"
    flat = tmp_path / "flat" / "7.png"
    (tmp_path / "flat" / "7.npy").touch()
    assert find_depth(flat) == tmp_path / "xyz" / "7.npy"
    alone = tmp_path / "flat" / "8.png"
    alone.with_suffix(".npy").touch()
    assert find_depth(alone) == alone.with_suffix(".npy")
    (tmp_path / "flat" / "9_depth.TIFF").touch()
    assert find_depth(tmp_path / "flat" / "9.png") == tmp_path / "flat" / "9_depth.TIFF"
    assert is_depth_file(tmp_path / "xyz" / "7.tiff")
    assert is_depth_file(tmp_path / "7_depth.png")
    assert not is_depth_file(image)


def test_image_and_depth_are_read_together(tmp_path):
    inputs, size = read_inputs(WithDepth(IMAGE, Z), RECIPE)
    assert {name: array.shape for name, array in inputs.items()} == {"image": (16, 16, 3), "depth": (16, 16, 2)}
    assert size == (10, 8)
    assert set(read_inputs(WithDepth(IMAGE, Z), Recipe(height=16))[0]) == {"image"}
    path = tmp_path / "part.png"
    Image.fromarray(IMAGE).save(path)
    with pytest.raises(ImageError, match="depth is missing"):
        read_inputs(path, RECIPE)
    np.save(tmp_path / "part_depth.npy", Z)
    found, _ = read_inputs(path, RECIPE)
    assert np.array_equal(found["depth"], inputs["depth"])
    with pytest.raises(ImageError, match=r"8 x 10 px with an image of 10 x 8"):
        read_inputs(WithDepth(IMAGE, Z.T), RECIPE)
    read_inputs(WithDepth(IMAGE, Z.repeat(2, 0).repeat(2, 1)), RECIPE)
    with pytest.raises(ImageError, match="beside the image"):
        read_inputs(IMAGE, RECIPE)


def test_unit_and_relief_are_the_recipes(tmp_path):
    steps = np.full((64, 64), 600, np.uint16)
    steps[24:40, 24:40] = 594
    Image.fromarray(steps).save(tmp_path / "1_depth.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "1.png")
    for changes, height in (({"unit": 0.01}, 6.0), ({"relief": 0.005}, 0.6), ({"unit": 0.0001, "relief": 5e-4}, 0.06)):
        recipe = Recipe(height=64, depth=DepthRecipe(**changes))
        cells = read_inputs(tmp_path / "1.png", recipe)[0]["depth"]
        assert not cells[:8, :, 1].any()
        assert cells[24:40, 24:40, 1].all()
        whole = Recipe(height=64, depth=DepthRecipe(**changes | {"relief": 1.0}))
        deep = read_inputs(tmp_path / "1.png", whole)[0]["depth"][..., 0]
        assert deep.max() - deep.min() == pytest.approx(height, rel=1e-3)
    assert read_inputs(tmp_path / "1.png", RECIPE)[0]["depth"][..., 1].all()  # 6 mm are no part to 7 mm


@pytest.mark.parametrize("scale", [1, 2])
def test_what_stands_outside_the_region_moves_no_distance_within(scale):
    inside = np.zeros((64, 64), np.bool_)
    inside[:, :36] = True
    recipe = Recipe(height=64, depth=DepthRecipe(), area=Area.of(inside, (90, 90, 90)))
    came = []
    for beside in (0.5, 0.44, 0.3):
        distance = np.full((64, 64), 0.5, np.float32)
        distance[16:32, 8:24], distance[16:48, 36:60] = 0.45, beside
        picture = np.full((64, 64, 3), 90, np.uint8)
        distance = distance.repeat(scale, 0).repeat(scale, 1)
        came.append(read_inputs(WithDepth(picture, distance), recipe)[0]["depth"])
    assert came[0][16:32, 8:24, 1].all()
    assert np.array_equal(came[0], came[1])
    assert np.array_equal(came[0], came[2])
