import torch

from untaught.nn.standard import ChannelStandard, Standards, moments


def test_channels_get_mean_0_and_deviation_1():
    torch.manual_seed(0)
    features = (
        torch.randn(6, 3, 5, 7) * torch.tensor([0.1, 2.0, 30.0])[:, None, None]
        + torch.tensor([5.0, -1.0, 0.0])[:, None, None]
    )
    standard = ChannelStandard(3)
    standard.take(moments(features[:4]) + moments(features[4:]))
    assert torch.allclose(standard.mean, features.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(standard.deviation, features.std((0, 2, 3), correction=0), rtol=1e-5)
    normal = standard(features)
    assert torch.allclose(normal.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)


def test_it_starts_as_the_identity_and_cuts_far_values_off():
    standard = ChannelStandard(2, limit=3.0)
    features = torch.tensor([-9.0, -1.0, 2.0, 9.0]).view(1, 2, 1, 2)
    assert standard(features).flatten().tolist() == [-3.0, -1.0, 2.0, 3.0]


def test_a_channel_that_never_changes_stays_finite():
    standard = ChannelStandard(1)
    standard.take(moments(torch.full((2, 1, 4, 4), 0.25)))
    assert standard(torch.full((1, 1, 1, 1), 0.5)).item() == 0.25


def test_the_origin_is_where_zero_lies():
    torch.manual_seed(0)
    features = torch.randn(4, 3, 5, 5) + 2
    standards = Standards([3])
    standards.take([[features]], lambda tensor: tensor)
    (origin,) = standards.origins()
    assert torch.allclose(standards([torch.zeros(1, 3, 1, 1)])[0][0], origin, atol=1e-6)
    assert Standards([3], on=False).origins() is None
