"""Every method can be asked for an image in tiles: a whole map, the highest score, the same in any batch."""

import numpy as np
import pytest
import torch

from untaught.data.toy import draw
from untaught.engine.predict import scorer
from untaught.image import Recipe, Tiling
from untaught.inspector import score_image
from untaught.registry import method_class, method_names

RECIPE = Recipe(height=96, width=96, tiling=Tiling(side=64, overlap=16))


@pytest.mark.parametrize("name", method_names())
def test_an_image_in_tiles(name):
    torch.manual_seed(0)
    kind = method_class(name)
    method = kind(kind.configure(image_size=64)).eval()
    score, picture = scorer(method, torch.device("cpu")), draw([0, 0, 0], 96)[0]
    says = score_image(score, {"image": picture}, RECIPE)
    assert says.map.shape == (96, 96)
    assert np.isfinite(says.map).all()
    corners = [(top, left) for top in (0, 32) for left in (0, 32)]
    alone = [score({"image": picture[None, top : top + 64, left : left + 64]}) for top, left in corners]
    assert says.score == pytest.approx(max(float(one[1][0]) for one in alone), rel=1e-5)
    np.testing.assert_allclose(says.map[:30, :30], alone[0][0][0, :30, :30], rtol=1e-4, atol=1e-5)
