import torch
from torch.nn import functional as F

from untaught.nn.residual import ResidualStudent


def test_parameters_of_the_papers_student():
    with torch.device("meta"):
        student = ResidualStudent(368 + 32, 368, 1024, 4, 0.2)
    assert sum(parameter.numel() for parameter in student.parameters()) == 82_601_328


def test_the_activation_comes_before_the_sum_and_nothing_after():
    torch.manual_seed(0)
    student = ResidualStudent(5, 3, 8, 1, 0.2).eval()
    (block,) = student.blocks
    x = torch.randn(2, 5, 6, 6)
    with torch.no_grad():
        inner = F.leaky_relu(student.open(x), 0.2)
        first = F.leaky_relu(block.bn1(block.conv1(inner)), 0.2)
        second = F.leaky_relu(block.bn2(block.conv2(first)), 0.2)
        assert torch.allclose(student(x), student.head(inner + second), atol=1e-6)
        assert block(inner).min() < -0.2
