import pytest
import torch

from untaught.losses.cosine import cosine_loss
from untaught.losses.hard import hard_losses
from untaught.maps.distance import cosine_distance


def levels():
    torch.manual_seed(0)
    return [torch.randn(2, 8, size, size) for size in (64, 32, 16)]


def published(target, student, count=10):
    distances = [cosine_distance(*pair) for pair in zip(target, student, strict=True)]
    return hard_losses(distances, count, cosine_loss(target, student, "global"))["hard"].item()


def test_nothing_to_learn_where_both_agree():
    target = levels()
    assert published(target, target) < 1e-5


def test_ten_bad_positions_move_the_hard_term_and_hardly_the_other():
    target = levels()
    student = [level.clone() for level in target]
    student[0][:, :, 0, :10] *= -1
    rest = published(target, student, count=0)
    assert published(target, student) - rest == pytest.approx(2.0, abs=1e-4)  # opposite: a distance of 2
    assert 0 < rest < 0.05


def test_the_worst_of_each_image_are_taken_and_not_of_the_batch():
    distances = [torch.stack([torch.full((4, 4), 2.0), torch.zeros(4, 4)])]
    losses = hard_losses(distances, 3)
    assert losses["hard"].item() == 1 + 1
    assert losses["distance"].item() == 1


def test_levels_with_fewer_positions_than_asked_for():
    torch.manual_seed(0)
    distances = [torch.rand(2, 2, 2), torch.rand(2, 4, 4)]
    coarse, fine = distances[0].mean(), distances[1].flatten(1).topk(10, dim=1).values.mean()
    losses = hard_losses(distances)
    assert losses["hard"].item() == pytest.approx((2 * coarse + distances[1].mean() + fine).item(), rel=1e-5)
    assert losses["distance"].item() == pytest.approx((coarse.item() + distances[1].mean().item()) / 2, rel=1e-5)


def test_a_share_of_the_positions_of_each_level_and_at_least_one():
    torch.manual_seed(0)
    distances = [torch.rand(2, 10, 10), torch.rand(2, 4, 4)]
    fine = distances[0].flatten(1).topk(5, dim=1).values.mean()
    coarse = distances[1].flatten(1).amax(dim=1).mean()  # 5 % of 16 are less than one
    wanted = distances[0].mean() + distances[1].mean() + fine + coarse
    assert hard_losses(distances, 0.05)["hard"].item() == pytest.approx(wanted.item(), rel=1e-5)
