import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def put(tmp_path):
    """Write a small image, another one each time, below the test's own folder; returns its path."""
    made = 0

    def write(name, size=(16, 12), value=None):
        nonlocal made
        made += 1
        rng = np.random.default_rng(made)
        shape = (size[1], size[0], 3)
        pixels = rng.integers(0, 256, shape) if value is None else np.full(shape, value)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def put_mask(tmp_path):
    """Write a mask with a defect in its left upper corner."""

    def write(name, size=(16, 12), value=255):
        pixels = np.zeros((size[1], size[0]), np.uint8)
        pixels[:3, :3] = value
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write
