import pytest
import torch

from untaught.maps.fuse import fuse, upsample


@pytest.mark.parametrize("align_corners", [True, False])
def test_constant_maps_add_up(align_corners):
    maps = [torch.full((2, size, size), value) for size, value in ((16, 0.5), (8, 2.0), (4, 3.0))]
    options = {"align_corners": align_corners}
    assert torch.allclose(fuse(maps, (64, 48), **options), torch.full((2, 64, 48), 5.5))
    assert torch.allclose(fuse(maps, (64, 48), weights=(2.0, 1.0, 0.5), **options), torch.full((2, 64, 48), 4.5))


def test_aligned_corners_are_kept():
    ramp = torch.tensor([[[0.0, 3.0]]])
    assert upsample(ramp, (1, 4), True).flatten().tolist() == pytest.approx([0, 1, 2, 3])
    assert upsample(ramp, (1, 4), False).flatten().tolist() == pytest.approx([0, 0.75, 2.25, 3])


def test_a_product_is_high_only_where_every_level_is():
    levels = [torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 0.0]]])]
    assert fuse(levels, (1, 2), form="product").tolist() == [[[3.0, 0.0]]]
