import pytest
import torch

from untaught.nn.segmentation import ScaleAttention, SegmentationHead


def test_the_published_width_has_about_190_thousand_parameters():
    assert round(sum(part.numel() for part in SegmentationHead(6).parameters()), -4) == 190_000


@pytest.mark.parametrize("size", [64, 56, 80])
def test_one_logit_a_position(size):
    with torch.device("meta"):
        assert SegmentationHead(6)(torch.empty(2, 6, size, size)).shape == (2, 1, size, size)


def test_scales_are_weighed_by_gates_between_0_and_1():
    features = torch.rand(2, 8, 9, 9) + 0.1
    share = ScaleAttention(8, (1, 6))(features) / features
    assert share.min() > 0
    assert share.max() < 1
    assert share.std() > 0


def test_a_wide_reach_sees_what_a_narrow_one_does_not():
    torch.manual_seed(0)
    near, far = (ScaleAttention(8, (reach,)) for reach in (1, 6))
    features = torch.rand(1, 8, 15, 15)
    changed = features.clone()
    changed[..., 7, 13] += 1
    moved = [(gate(changed) - gate(features))[..., 7, 7].abs().max() for gate in (near, far)]
    assert moved[0] == 0
    assert moved[1] > 0
