import pytest
import torch

from untaught.nn.attention import ChannelAttention, SpatialAttention, attention


@pytest.mark.parametrize("kind", ["channel", "spatial", "both"])
def test_gates_keep_the_shape_and_lie_between_nothing_and_all(kind):
    features = torch.rand(2, 16, 8, 8) + 0.1
    gated = attention(kind, 16)(features)
    assert gated.shape == features.shape
    assert ((gated > 0) & (gated < features)).all()


def test_both_means_channels_first():
    assert [type(part) for part in attention("both", 16)] == [ChannelAttention, SpatialAttention]


def test_a_level_of_few_channels_has_a_hidden_layer_still():
    assert attention("channel", 4)(torch.rand(1, 4, 2, 2)).shape == (1, 4, 2, 2)
