import torch

from untaught.nn.whitening import Whitening, joint_moments


def mixed(count=8):
    torch.manual_seed(0)
    turn = torch.randn(5, 5) @ torch.diag(torch.tensor([3.0, 1.0, 1.0, 0.5, 0.1]))
    return torch.einsum("dc,bchw->bdhw", turn, torch.randn(count, 5, 6, 6)) + 4


def rows(features):
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def test_it_starts_as_the_identity_and_cuts_off():
    features = torch.tensor([-9.0, 3, 0, 1, 90]).view(1, 5, 1, 1)
    assert Whitening(5)(features).flatten().tolist() == [-8, 3, 0, 1, 8]


def test_good_features_come_out_white():
    whiten, features = Whitening(5, shrink=0.0), mixed()
    whiten.take([(features[:3], None), (features[3:], None)], lambda tensor: tensor)
    white = rows(whiten(features)).double()
    assert white.mean(0).abs().max() < 1e-4
    assert torch.allclose(torch.cov(white.T, correction=0), torch.eye(5).double(), atol=0.02)


def test_what_has_no_variance_stays_bounded():
    whiten, features = Whitening(5, shrink=0.01), mixed()
    features[:, 3] = 2.0
    whiten.take([(features, None)], lambda tensor: tensor)
    white = whiten(features)
    assert white.isfinite().all()
    assert white[:, 3].abs().max() < 1e-3


def test_only_the_part_counts():
    features, mask = mixed(), torch.zeros(8, 1, 6, 6)
    mask[:, :, :3] = 1
    alone, masked = Whitening(5), Whitening(5)
    alone.take([(features[:, :, :3], None)], lambda tensor: tensor)
    masked.take([(features + 50 * (mask == 0), mask)], lambda tensor: tensor)
    assert torch.allclose(alone.matrix, masked.matrix, atol=1e-5)
    assert torch.allclose(alone.mean, masked.mean, atol=1e-5)


def test_statistics_add_up_over_processes_and_stay_exact_in_half_precision():
    features, one, two = mixed(), Whitening(5), Whitening(5)
    one.take([(features, None)], lambda tensor: tensor)
    two.take([(features[:2], None)], lambda tensor: tensor + joint_moments(features[2:]))
    assert torch.allclose(one.matrix, two.matrix, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        half = one(features)
    assert torch.equal(half, one(features))
