import torch

from untaught.losses.masked import masked_mean


def test_positions_outside_the_mask_count_as_zero():
    values, mask = torch.arange(4.0).view(1, 2, 2), torch.tensor([[[0.0, 1.0], [0.0, 0.5]]])
    assert masked_mean(values, mask) == (1 + 1.5) / 4
    assert masked_mean(values, torch.ones(1, 2, 2)) == masked_mean(values) == 1.5
    changed = values + 9 * (mask == 0)
    assert masked_mean(changed, mask) == masked_mean(values, mask)
