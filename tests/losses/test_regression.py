import torch

from untaught.losses.regression import squared_error


def test_it_is_the_mean_over_channels_and_positions():
    target, student = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert squared_error(target, student) == (1 + 9 + 4 + 0) / 4


def test_positions_outside_the_mask_count_as_zero():
    target, student = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    mask = (torch.rand(2, 4, 4) > 0.5).float()
    other = target + 7 * (mask == 0)[:, None]
    assert torch.allclose(squared_error(other, student, mask), squared_error(target, student, mask))
    assert torch.allclose(squared_error(target, student, torch.ones(2, 4, 4)), squared_error(target, student))
    assert squared_error(target, student, mask) < squared_error(target, student)
