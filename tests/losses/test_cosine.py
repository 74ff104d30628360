import math

import pytest
import torch

from untaught.losses.cosine import cosine_loss, cosine_losses

FORMS = ("global", "regional")


def levels(seed=0, batch=3):
    torch.manual_seed(seed)
    return [torch.randn(batch, 4, 8, 8), torch.randn(batch, 6, 4, 4), torch.randn(batch, 8, 2, 2)]


@pytest.mark.parametrize("form", FORMS)
def test_equal_is_0_and_opposite_2_a_level(form):
    target = levels()
    assert cosine_loss(target, target, form).item() == pytest.approx(0, abs=1e-6)
    assert cosine_loss(target, [-level for level in target], form).item() == pytest.approx(6, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_length_does_not_matter_image_by_image(form):
    target, student = levels(), levels(1)
    scaled = [level * torch.tensor([0.1, 1.0, 70.0])[:, None, None, None] for level in student]
    assert torch.allclose(cosine_loss(target, scaled, form), cosine_loss(target, student, form), atol=1e-6)


def test_both_forms_agree_where_there_is_one_position():
    target, student = [torch.randn(5, 7, 1, 1)], [torch.randn(5, 7, 1, 1)]
    assert torch.allclose(cosine_loss(target, student, "global"), cosine_loss(target, student, "regional"))


def test_by_hand():
    # Two positions with two channels: the first restored exactly, ten times as strong; the second at a right angle.
    target = [torch.tensor([[10.0, 1.0], [0.0, 0.0]]).view(1, 2, 1, 2)]
    student = [torch.tensor([[10.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)]
    assert cosine_loss(target, student, "global").item() == pytest.approx(1 - 100 / 101)
    assert cosine_loss(target, student, "regional").item() == pytest.approx(0.5)
    assert cosine_loss(target, student, "regional", hard=0.5).item() == pytest.approx(1.5)
    assert cosine_loss(target, student, "global", hard=0.5).item() == pytest.approx(1 - 100 / 101 + 1)


def test_half_precision_does_not_overflow():
    torch.manual_seed(0)
    target = [torch.randn(2, 256, 64, 64).relu() * 8]
    student = [target[0] + torch.randn(2, 256, 64, 64)]
    assert target[0][0].square().sum() > torch.finfo(torch.float16).max
    expected = cosine_loss(target, student)
    with torch.autocast("cpu", torch.float16):
        half = cosine_loss([target[0].half()], [student[0].half()])
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(expected.item(), abs=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_memory_format_does_not_matter(form):
    target, student = levels(), levels(1)
    last = [level.contiguous(memory_format=torch.channels_last) for level in target]
    assert torch.allclose(cosine_loss(last, student, form), cosine_loss(target, student, form), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_restored_has_a_finite_gradient(form):
    student = [torch.zeros_like(level, requires_grad=True) for level in levels()]
    loss = cosine_loss(levels(), student, form)
    loss.backward()
    assert loss.item() == pytest.approx(3)
    assert all(torch.isfinite(level.grad).all() for level in student)


def test_hard_positions_alone_move_what_is_far_off():
    target = [torch.ones(1, 2, 1, 50)]
    student = torch.ones(1, 2, 1, 50)
    student[0, 0, 0, 7] = -1
    student.requires_grad_()
    (cosine_loss(target, [student], hard=0.02) - cosine_loss(target, [student])).backward()
    assert student.grad[0, :, 0, 7].abs().sum() > 0
    assert math.isclose(student.grad.abs().sum().item(), student.grad[0, :, 0, 7].abs().sum().item(), rel_tol=1e-6)


def test_the_watched_distance_is_the_same_however_images_are_batched():
    target, student = levels(), levels(1)
    whole = cosine_losses(target, student, "regional", 0.02)
    alone = [
        cosine_losses([level[[n]] for level in target], [level[[n]] for level in student], "regional", 0.02)["distance"]
        for n in range(3)
    ]
    assert list(whole) == ["cosine", "distance"]
    assert whole["distance"].item() == pytest.approx(torch.stack(alone).mean().item())
    assert whole["distance"].item() == pytest.approx(cosine_loss(target, student, "regional").item() / 3)
    assert list(cosine_losses(target, student, "global", 0.0)) == ["cosine"]
