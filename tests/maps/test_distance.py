import pytest
import torch

from untaught.maps.distance import (
    coherent_distance,
    cosine_distance,
    energy,
    level_distances,
    squared_distance,
    unit_distance,
)


def test_by_hand():
    target = torch.tensor([[1.0, 1.0, 3.0, 0.0], [0.0, 0.0, 4.0, 0.0]]).view(1, 2, 2, 2)
    student = torch.tensor([[5.0, 0.0, -3.0, 1.0], [0.0, 2.0, -4.0, 1.0]]).view(1, 2, 2, 2)
    assert torch.allclose(cosine_distance(target, student), torch.tensor([[[0.0, 1.0], [2.0, 1.0]]]), atol=1e-6)


def test_half_precision_is_computed_in_fp32():
    target = torch.full((1, 1024, 2, 2), 60.0, dtype=torch.float16)
    distance = cosine_distance(target, -target)
    assert distance.dtype == torch.float32
    assert torch.allclose(distance, torch.full((1, 2, 2), 2.0))


def test_energy_is_the_mean_square_of_a_position():
    features = torch.tensor([[3.0, 0.0], [4.0, 1.0]]).view(1, 2, 1, 2)
    assert torch.equal(energy(features), torch.tensor([[[12.5, 0.5]]]))


def test_unit_distance_is_1_minus_cosine_and_never_negative():
    target, student = torch.randn(2, 8, 5, 5), torch.randn(2, 8, 5, 5)
    assert torch.allclose(unit_distance(target, student), cosine_distance(target, student), atol=1e-6)
    assert (unit_distance(target, 3 * target) >= 0).all()
    assert torch.allclose(unit_distance(torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1)), torch.tensor(0.5))


def test_squared_distance_is_the_mean_over_channels():
    target, student = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert torch.equal(squared_distance(target, student), torch.tensor([[[5.0, 2.0]]]))
    assert squared_distance(target.bfloat16(), student.bfloat16()).dtype == torch.float32


def test_coherent_distance_by_hand():
    difference = torch.zeros(1, 2, 5, 5)
    difference[0, 0, 2, 2] = 3.0
    found = coherent_distance(difference, torch.zeros_like(difference))
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 0.5 * 9 * (3 / 9) ** 2 / 2
    expected[2, 2] += 0.5 * 9 / 2
    assert torch.allclose(found[0], expected)


def test_coherent_distance_of_noise_is_its_variance_and_of_agreement_five_times_as_much():
    noise = torch.randn(4, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    assert coherent_distance(noise, torch.zeros_like(noise))[:, 1:-1, 1:-1].mean().item() == pytest.approx(1, abs=0.02)
    same = torch.ones(1, 8, 6, 6)
    assert torch.allclose(coherent_distance(same.bfloat16(), 0 * same), torch.full((1, 6, 6), 5.0))


def test_levels_are_compared_by_the_cosine_or_squared_and_coherently_below_a_stride_of_16():
    strides = (4, 8, 16, 32)
    target, student = ([torch.randn(2, 8, 64 // stride, 64 // stride) for stride in strides] for _ in range(2))
    squares = level_distances(target, student, strides, squared=True)
    for level, measure in enumerate([coherent_distance, coherent_distance, squared_distance, squared_distance]):
        assert torch.equal(squares[level], measure(target[level], student[level]))
    assert len(squares) == 4
    angles = level_distances(target, student, strides, squared=False)
    assert torch.equal(angles[0], cosine_distance(target[0], student[0]))
