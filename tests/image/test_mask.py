import numpy as np
import pytest
from PIL import Image

from untaught.errors import MaskError
from untaught.image import read_mask

TRUE = np.zeros((40, 50), bool)
TRUE[10:20, 15:40] = True


def paletted(array):
    image = Image.fromarray(array.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    return image


KINDS = {
    "0 and 255": ("png", Image.fromarray(TRUE * np.uint8(255))),
    "0 and 1": ("png", Image.fromarray(TRUE * np.uint8(1))),
    "labels": ("png", Image.fromarray(TRUE * np.uint8(7))),
    "one bit": ("png", Image.fromarray(TRUE)),
    "colour": ("bmp", Image.fromarray(np.dstack([TRUE * np.uint8(255), TRUE * np.uint8(0), TRUE * np.uint8(0)]))),
    "palette": ("png", paletted(TRUE)),
    "16 bit 255": ("png", Image.fromarray(TRUE * np.uint16(255))),
    "16 bit full": ("tif", Image.fromarray(TRUE * np.uint16(65535))),
    "jpeg": ("jpg", Image.fromarray(TRUE * np.uint8(255))),
    "white on nothing": (
        "png",
        Image.fromarray(np.dstack([np.full((40, 50, 3), 255, np.uint8), TRUE * np.uint8(255)])),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_write_a_mask(kind, tmp_path):
    suffix, image = KINDS[kind]
    path = tmp_path / f"mask.{suffix}"
    image.save(path)
    mask = read_mask(path)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, TRUE)


def test_smoothed_masks_are_cut_at_half_and_labels_are_not(tmp_path):
    soft = np.array([[0, 100, 127, 128, 200, 255]], np.uint8)
    Image.fromarray(soft).save(tmp_path / "soft.png")
    assert read_mask(tmp_path / "soft.png").tolist() == [[False, False, False, True, True, True]]
    assert read_mask(tmp_path / "soft.png", labels=True).tolist() == [[False, True, True, True, True, True]]


def test_empty_mask(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "none.png")
    mask = read_mask(tmp_path / "none.png")
    assert mask.shape == (3, 4)
    assert not mask.any()


def test_unreadable_masks_are_mask_errors(tmp_path):
    (tmp_path / "text.png").write_text("no mask")
    Image.new("F", (4, 3)).save(tmp_path / "float.tif")
    for name in ("text.png", "float.tif", "missing.png"):
        with pytest.raises(MaskError, match=name):
            read_mask(tmp_path / name)
