import torch

from untaught.maps.ensemble import disagreement, regression_error


def test_students_who_agree_do_not_disagree():
    one = torch.rand(2, 1, 4, 3, 3)
    same = one.expand(-1, 3, -1, -1, -1)
    assert disagreement(same).abs().max() < 1e-12
    assert torch.equal(disagreement(one), torch.zeros(2, 3, 3))


def test_disagreement_is_never_negative_even_far_from_zero():
    torch.manual_seed(0)
    assert (disagreement(1e4 + 1e-3 * torch.randn(2, 3, 8, 5, 5)) >= 0).all()


def test_error_and_disagreement_add_up_to_the_mean_squared_distance():
    torch.manual_seed(0)
    students, target = torch.randn(2, 3, 8, 5, 5).double(), torch.randn(2, 8, 5, 5).double()
    mean = (students - target[:, None]).square().sum(2).mean(1)
    both = regression_error(students, target) + disagreement(students)
    assert (both - mean).abs().max() < 1e-10


def test_half_precision_is_not_kept():
    students, target = torch.randn(1, 3, 8, 5, 5).bfloat16(), torch.randn(1, 8, 5, 5).bfloat16()
    assert regression_error(students, target).dtype == torch.float32
    assert torch.equal(disagreement(students), disagreement(students.float()))


def test_both_are_the_papers_numbers():
    students = torch.tensor([0.0, 3.0]).view(1, 2, 1, 1, 1).expand(-1, -1, 2, -1, -1)
    target = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    assert regression_error(students, target).item() == (1.5 - 1) ** 2 + (1.5 - 2) ** 2
    assert disagreement(students).item() == (0 + 2 * 9) / 2 - 2 * 1.5**2
