import numpy as np
import pytest
import torch

from untaught.losses.squared import squared_losses


def levels(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, channels, size, size, generator=generator) for channels, size in ((3, 8), (5, 4))]


def test_against_numpy():
    target, student = levels(0), levels(1)
    found = squared_losses(target, student)
    means = [np.mean((a.numpy() - b.numpy()) ** 2) for a, b in zip(target, student, strict=True)]
    assert float(found["squared"]) == pytest.approx(sum(means), rel=1e-6)
    assert float(found["distance"]) == pytest.approx(np.mean(means), rel=1e-6)
    assert next(iter(found)) == "squared"


def test_the_worst_positions_are_added_over_the_whole_batch():
    target, student = levels(0), levels(1)
    hardest = [
        np.sort(np.mean((a.numpy() - b.numpy()) ** 2, axis=1).ravel())[-count:].mean()
        for a, b, count in zip(target, student, (13, 3), strict=True)
    ]
    plain = float(squared_losses(target, student)["squared"])
    assert float(squared_losses(target, student, hard=0.1)["squared"]) == pytest.approx(plain + sum(hardest), rel=1e-6)


def test_the_mean_is_the_best_answer_to_noise():
    target = [torch.randn(64, 4, 8, 8, generator=torch.Generator().manual_seed(0))]
    answer = torch.zeros(1, 4, 1, 1, requires_grad=True)
    loss = squared_losses(target, [answer.expand_as(target[0])])["squared"]
    (slope,) = torch.autograd.grad(loss, answer)
    assert slope.abs().max() < 0.03
    assert loss.item() == pytest.approx(1, abs=0.05)


def test_zero_where_they_agree_and_fp32_under_bfloat16():
    target = levels()
    assert float(squared_losses(target, target, hard=0.1)["squared"]) == 0
    with torch.autocast("cpu", torch.bfloat16):
        assert squared_losses([level.bfloat16() for level in target], levels(1))["squared"].dtype == torch.float32


def test_the_gradient_is_that_of_the_formula_in_the_students_precision():
    target, student = levels(0), [level.bfloat16().requires_grad_() for level in levels(1)]
    squared_losses(target, student, hard=0.1)["squared"].backward()
    plain = [level.detach().double().requires_grad_() for level in student]
    for wanted, restored, count in zip(target, plain, (13, 3), strict=True):
        positions = (wanted.double() - restored).square().mean(dim=1)
        (positions.mean() + positions.flatten().topk(count).values.mean()).backward()
    for found, expected in zip(student, plain, strict=True):
        assert found.grad.dtype == torch.bfloat16
        torch.testing.assert_close(found.grad.double(), expected.grad, rtol=8e-3, atol=1e-6)
