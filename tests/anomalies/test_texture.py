import numpy as np
import pytest
from PIL import Image

from untaught.anomalies.augment import CHANGES, augmented
from untaught.anomalies.base import Box, Scene
from untaught.anomalies.draw import Drawer
from untaught.anomalies.pattern import pattern
from untaught.anomalies.settings import PAPER, AnomalySettings
from untaught.anomalies.texture import drawn, from_folder, from_images, mixed
from untaught.errors import ConfigError

PIECE = np.random.default_rng(0).integers(30, 200, (24, 32, 3), dtype=np.uint8)
PLAIN = AnomalySettings(augment=0, colour=(1.0, 1.0))


def scene(settings=PLAIN, size=64):
    return Scene(np.full((size, size, 3), 90, np.uint8), None, drawn, settings, grey=False)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_keeps_the_shape_and_is_told_by_its_generator(change):
    one, other = (np.asarray(change(Image.fromarray(PIECE), np.random.default_rng(4))) for _ in range(2))
    assert (one.shape, one.dtype) == (PIECE.shape, np.uint8)
    assert np.array_equal(one, other)
    many = [np.asarray(change(Image.fromarray(PIECE), np.random.default_rng(seed))) for seed in range(8)]
    assert any(not np.array_equal(piece, PIECE) for piece in many), "it changes something"


def test_so_many_different_changes_are_made(monkeypatch):
    seen = []
    watched = tuple(lambda image, rng, number=number: seen.append(number) or image for number in range(10))
    monkeypatch.setattr("untaught.anomalies.augment.CHANGES", watched)
    for count in (0, 3, 10):
        seen.clear()
        augmented(PIECE, count, np.random.default_rng(0))
        assert len(seen) == len(set(seen)) == count


def test_a_piece_comes_from_one_of_the_other_images():
    others = [np.full((64, 64, 3), value, np.uint8) for value in (10, 20, 30)]
    texture = from_images(others)
    found = {
        int(value)
        for seed in range(30)
        for value in np.unique(texture(scene(), Box(5, 5, 8, 9), np.random.default_rng(seed)))
    }
    assert found == {10, 20, 30}
    asked = []
    by_number = from_images(lambda number: asked.append(number) or others[number % 3])
    assert by_number(scene(), Box(0, 0, 8, 9), np.random.default_rng(0)).shape == (8, 9, 3)
    assert all(0 <= number < 2**31 for number in asked)


def test_textures_of_a_folder_and_of_those_below_it(tmp_path):
    (tmp_path / "below").mkdir()
    Image.new("RGB", (30, 20), (0, 200, 0)).save(tmp_path / "green.png")
    Image.new("RGB", (10, 90), (0, 0, 200)).save(tmp_path / "below" / "blue.JPG", quality=100)
    (tmp_path / "notes.txt").write_text("no image")
    texture = from_folder(tmp_path)
    pieces = np.stack([texture(scene(), Box(0, 0, 6, 7), np.random.default_rng(seed)) for seed in range(20)])
    strongest = {int(piece.mean((0, 1)).argmax()) for piece in pieces}
    assert strongest == {1, 2}
    drawer = Drawer(AnomalySettings(**PAPER | {"texture": tmp_path, "augment": 0}))
    pair = drawer(np.zeros((64, 64, 3), np.uint8), np.random.default_rng(1))
    assert pair.mask.any()
    assert pair.defect[pair.mask][:, 1:].max() > 30, "of the folder's colours"
    assert pair.defect[pair.mask][:, 0].max() < 30


@pytest.mark.parametrize("place", ["empty", "missing"])
def test_a_folder_without_images_is_named_at_once(place, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=f"{place} holds no images"):
        Drawer(AnomalySettings(texture=tmp_path / place))


def test_what_is_called_an_image_and_is_none_is_named_at_once_and_what_is_hidden_is_not_looked_at(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "fine.png")
    (tmp_path / "._fine.png").write_bytes(b"left by a Mac")
    assert from_folder(tmp_path)(scene(), Box(0, 0, 6, 7), np.random.default_rng(0)).shape == (6, 7, 3)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ConfigError, match=r"2 of 3 images in .*empty\.jpg.*text\.png"):
        Drawer(AnomalySettings(texture=tmp_path))


def test_both_sources_have_their_turn_and_patterns_stand_in_where_there_are_no_images():
    def one(scene, box, rng):
        return "one"

    def other(scene, box, rng):
        return "other"

    both = mixed(one, other)
    assert {both(scene(), Box(0, 0, 4, 4), np.random.default_rng(seed)) for seed in range(20)} == {"one", "other"}
    settings = AnomalySettings(kinds={"perlin": 1}, texture="images")
    assert Drawer(settings)(PIECE, np.random.default_rng(0)).mask.any()


@pytest.mark.parametrize("contrast", [20.0, 90.0])
def test_tones_of_a_pattern_lie_around_those_of_its_place(contrast):
    settings = AnomalySettings(contrast=(contrast, contrast), colour=(0.0, 0.0))
    for seed in range(20):
        drawn_ = pattern(scene(settings), Box(0, 0, 20, 30), np.random.default_rng(seed))
        assert drawn_.shape == (20, 30, 3)
        assert abs(abs(float(drawn_.mean()) - 90) - contrast) < 0.7 * contrast + 5
