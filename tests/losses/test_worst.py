import pytest
import torch

from untaught.losses.worst import average, summed, worst

LEVELS = [torch.arange(8.0).view(2, 2, 2), torch.arange(10.0, 18.0).view(2, 4)]


@pytest.mark.parametrize(("share", "count"), [(1e-9, 1), (0.02, 2), (1.0, 100)])
def test_the_worst_positions(share, count):
    values = torch.randperm(100).float().view(4, 5, 5)
    assert sorted(worst(values, share).tolist()) == list(range(100 - count, 100))


def test_means_of_the_levels_and_of_their_worst_quarter_add_up():
    assert summed(LEVELS).item() == 3.5 + 13.5
    assert summed(LEVELS, 0.25).item() == 3.5 + 13.5 + 6.5 + 16.5


def test_something_else_may_stand_for_the_means():
    assert summed(LEVELS, 0.25, [torch.tensor(1.0), torch.tensor(2.0)]).item() == 3 + 6.5 + 16.5


def test_what_is_watched_is_the_mean_of_the_levels_without_gradient():
    levels = [level.clone().requires_grad_() for level in LEVELS]
    assert average(levels).item() == 8.5
    assert not average(levels).requires_grad
