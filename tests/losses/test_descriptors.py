import torch

from untaught.losses.descriptors import compactness_loss, correlations, knowledge_loss, matching_loss


def test_knowledge_is_the_squared_distance():
    decoded, target = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    assert knowledge_loss(decoded, target).item() == (5 + 9) / 2


def test_independent_channels_correlate_by_chance_alone():
    torch.manual_seed(0)
    patches, channels = 64, 128
    loss = compactness_loss(torch.randn(patches, channels))
    assert abs(loss.item() / (channels * (channels - 1)) * patches - 1) < 0.1


def test_a_channel_twice_correlates_fully():
    torch.manual_seed(0)
    channel = torch.randn(50, 1)
    assert torch.allclose(correlations(channel.expand(-1, 2)), torch.ones(2, 2), atol=1e-4)
    assert abs(compactness_loss(torch.cat([channel, -channel], dim=1)).item() - 2) < 1e-3


def test_scale_and_offset_of_channels_do_not_count():
    torch.manual_seed(0)
    descriptors = torch.randn(40, 8)
    changed = descriptors * torch.linspace(-3, 4.5, 8) + torch.arange(8.0)
    assert torch.allclose(compactness_loss(changed), compactness_loss(descriptors), rtol=1e-3)


def test_a_constant_channel_correlates_with_none():
    descriptors = torch.randn(40, 3)
    descriptors[:, 1] = 5.0
    assert correlations(descriptors)[1].abs().max() < 1e-3
    descriptors.requires_grad_(True)
    compactness_loss(descriptors).backward()
    assert descriptors.grad.isfinite().all()


def test_correlations_are_fp32_whatever_the_rest_is():
    torch.manual_seed(0)
    descriptors = torch.randn(40, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(compactness_loss(descriptors), compactness_loss(descriptors.float()))
        assert compactness_loss(descriptors.bfloat16()).dtype == torch.float32
        half = compactness_loss(descriptors)
    assert torch.equal(half, compactness_loss(descriptors))


def test_matching_is_nothing_where_others_are_far_and_the_margin_where_all_are_one():
    near = torch.zeros(4, 3)
    assert matching_loss(near, near, near + 10).item() == 0
    assert matching_loss(near, near, near).item() == 1
    assert matching_loss(near, near, near, margin=2.5).item() == 2.5


def test_matching_counts_the_nearer_of_both():
    anchor, positive, negative = torch.tensor([[0.0]]), torch.tensor([[0.5]]), torch.tensor([[1.0]])
    assert matching_loss(anchor, positive, negative).item() == 1 + 0.25 - 0.25
