import math

import pytest
import torch

from untaught.losses.decouple import (
    guidance,
    inverse_mimicking,
    mean_over,
    regions,
    segmentation,
    squared_guidance,
)
from untaught.maps.distance import cosine_distance


def square(size=64, top=16, side=16):
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[..., top : top + side, top : top + side] = True
    return mask


def test_positions_are_good_defective_or_neither():
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[0, 0, 0, 0] = True  # a quarter of a position
    mask[0, 0, 4:6, 4] = True  # half of one
    good, defect = regions(mask, (4, 4))
    assert defect.nonzero().tolist() == [[0, 2, 2]]
    assert int(good.sum()) == 14


def test_a_mean_over_nothing_is_0_with_a_gradient():
    values = torch.rand(1, 3, 3, requires_grad=True)
    mean = mean_over(values, torch.zeros(1, 3, 3, dtype=torch.bool))
    mean.backward()
    assert mean.item() == 0
    assert values.grad.abs().max() == 0


def test_guidance_is_0_where_the_teacher_is_met_and_counts_all_three_terms():
    target = torch.rand(2, 8, 6, 6)
    assert guidance(target, target, target) < 1e-6
    assert guidance(target, target, -target).item() == pytest.approx(2 + 2, abs=1e-5)
    assert guidance(target, -target, target, positions=0.0).item() == pytest.approx(2, abs=1e-5)


def test_guidance_at_good_positions_only():
    target = torch.rand(1, 8, 4, 4)
    other = target.clone()
    other[..., 0, 0] *= -1
    where = torch.ones(1, 4, 4, dtype=torch.bool)
    where[0, 0, 0] = False
    assert guidance(target, target, other) > 0.1
    assert guidance(target, target, other, where=where) < 1e-6


def test_squared_guidance_by_hand():
    apart, of_defect = torch.zeros(1, 10, 10), torch.ones(1, 10, 10)
    of_defect[0, 0, :2] = 6  # two of a hundred: their mean is 1.1
    assert squared_guidance(apart, of_defect, positions=2).item() == pytest.approx(2 * 1.1)
    assert squared_guidance(apart, of_defect, hard=0.02).item() == pytest.approx(1.1 + 6)
    where = torch.ones(1, 10, 10, dtype=torch.bool)
    where[0, 0, :2] = False
    assert squared_guidance(apart, of_defect, hard=0.02, where=where).item() == pytest.approx(1 + 1)


def test_in_units_of_the_energy_the_answer_as_on_average_is_far_enough():
    target = 3 * torch.randn(1, 8, 16, 16)
    unit = target.square().mean(dim=1)
    good, defect = regions(square(), (16, 16))
    same, average = torch.zeros_like(unit), torch.where(defect, unit, 0)
    assert inverse_mimicking(same, average, good, defect, unit=unit).item() == pytest.approx(0, abs=1e-5)
    assert inverse_mimicking(same, same, good, defect, unit=unit).item() == pytest.approx(1, abs=1e-5)
    assert inverse_mimicking(same, same, good, defect, unit=torch.zeros_like(unit)).isfinite()


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_features_that_mimic_everywhere_miss_the_margin_inside_alone(margin):
    target = torch.rand(1, 8, 16, 16)
    same = cosine_distance(target, target)
    good, defect = regions(square(), (16, 16))
    assert inverse_mimicking(same, same, good, defect, margin).item() == pytest.approx(margin, abs=1e-5)
    assert inverse_mimicking(same, same, good, torch.zeros_like(defect), margin).item() == pytest.approx(0, abs=1e-5)


def test_turned_away_inside_costs_nothing_and_outside_costs_all():
    target = torch.rand(1, 8, 16, 16)
    good, defect = regions(square(), (16, 16))
    turned = torch.where(defect[:, None], -target, target)
    apart = cosine_distance(target, turned)
    same = torch.zeros_like(apart)
    assert inverse_mimicking(same, apart, good, defect).item() == pytest.approx(0, abs=1e-5)
    apart = cosine_distance(target, -turned)
    assert inverse_mimicking(same, apart, good, defect).item() == pytest.approx(2 + 1, abs=1e-5)


def test_averaged_over_all_positions_few_defects_count_little():
    apart = torch.zeros(1, 16, 16)
    good, defect = regions(square(), (16, 16))
    assert inverse_mimicking(apart, apart, good, defect, reduction="mean").item() == pytest.approx(1 / 16)


def test_an_empty_mask_leaves_everything_finite():
    apart = torch.rand(1, 16, 16, requires_grad=True)
    good, defect = regions(torch.zeros(1, 1, 64, 64, dtype=torch.bool), (16, 16))
    loss = inverse_mimicking(apart, apart, good, defect)
    loss.backward()
    assert math.isfinite(loss.item())
    assert apart.grad.isfinite().all()


def test_segmentation_loss_by_hand():
    logits, mask = torch.tensor([[[0.0, math.log(3)]]]), torch.tensor([[[True, False]]])
    expected = (0.5**4 * math.log(2) + 0.75**4 * math.log(4)) / 2 + (0.5 + 0.75) / 2
    assert segmentation(logits, mask).item() == pytest.approx(expected)
    assert segmentation(torch.tensor([[[90.0, -90.0]]]), mask) < 1e-6
    assert segmentation(torch.tensor([[[-200.0, 200.0]]]), mask).isfinite()
