import pytest
import torch

from untaught.losses.entropy import spatial_entropy


def test_by_the_formula():
    target, student = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    p, q = (torch.softmax(level.flatten(2) / 2.0, dim=2) for level in (target, student))
    expected = (p * (p / q).log()).sum(dim=(1, 2)).mean()
    assert torch.allclose(spatial_entropy(target, student, 2.0), expected, atol=1e-6)


def test_it_is_zero_for_the_same_and_never_negative():
    for seed in range(5):
        torch.manual_seed(seed)
        target, student = torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4)
        assert spatial_entropy(target, target, 4.0).abs() < 1e-6
        assert spatial_entropy(target, student, 4.0) > 0


def test_it_is_summed_over_channels_and_averaged_over_images():
    target, student = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    one = spatial_entropy(target, student, 1.0)
    assert torch.allclose(spatial_entropy(target.repeat(3, 1, 1, 1), student.repeat(3, 1, 1, 1), 1.0), one)
    assert torch.allclose(spatial_entropy(target.repeat(1, 3, 1, 1), student.repeat(1, 3, 1, 1), 1.0), 3 * one)


@pytest.mark.parametrize("temperature", [1e-3, 4.0])
def test_large_features_and_low_temperatures_stay_finite(temperature):
    target, student = 100 * torch.randn(1, 4, 8, 8), (100 * torch.randn(1, 4, 8, 8)).requires_grad_()
    loss = spatial_entropy(target, student, temperature)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
