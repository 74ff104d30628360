import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture
def rgb():
    """A small picture without symmetry: (13, 17, 3) uint8."""
    y, x = np.mgrid[:13, :17]
    return np.stack([x * 15, y * 19, (x * y) % 256], axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def photo():
    """A drawn photograph, 1536 x 1024: soft gradients, hard edges of all sizes, thin lines, grain."""
    rng = np.random.default_rng(0)
    height, width = 1024, 1536
    soft = np.full((height, width, 3), 110.0, np.float32)
    for cells, strength in ((6, 35), (48, 20), (300, 8)):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        layers = [Image.fromarray(noise[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(3)]
        soft += strength * np.stack(layers, axis=-1)
    image = Image.fromarray(soft.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(120):
        x, y, size = (int(v) for v in rng.integers(0, (width, height, 120)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.ellipse((x, y, x + size, y + size // 2 + 2), fill=colour)
        draw.line((x, y, *(int(v) for v in rng.integers(0, (width, height)))), fill=colour, width=2)
    grain = rng.normal(size=(height, width, 1)) * 4
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
