import pytest
import torch

from untaught.nn.blocks import form_of
from untaught.nn.decouple import DecoupledStudent, DecoupleHead
from untaught.nn.students import MirroredStudent, SlimStudent


@pytest.mark.parametrize(("kernel", "weights"), [(1, 4), (3, 20)])
def test_a_head_has_two_branches_of_equal_size(kernel, weights):
    head = DecoupleHead(16, kernel)
    assert sum(part.numel() for name, part in head.named_parameters() if part.ndim == 4) == weights * 16**2
    one, other = (sum(part.numel() for part in branch.parameters()) for branch in (head.normal, head.abnormal))
    assert one == other


def test_each_branch_sees_its_own_half():
    head = DecoupleHead(8).eval()
    features = torch.randn(2, 8, 5, 5)
    before = head(features)
    with torch.no_grad():
        head.expand[0].weight[8:] *= -1
    after = head(features)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


@pytest.mark.parametrize("rectified", [True, False])
def test_only_a_rectified_head_never_gives_negative_features(rectified):
    torch.manual_seed(0)
    lowest = min(level.min() for level in DecoupleHead(8, rectified=rectified).eval()(torch.randn(2, 8, 5, 5)))
    assert (lowest >= 0) == rectified


def test_levels_keep_their_shape():
    channels, features = (8, 16, 32), [torch.randn(2, 8, 16, 16), torch.randn(2, 16, 8, 8), torch.randn(2, 32, 4, 4)]
    student = DecoupledStudent(MirroredStudent(channels, form_of("resnet18")), channels, 1, rectified=True).eval()
    for levels in student(features):
        assert [level.shape for level in levels] == [level.shape for level in features]
    assert not list(student.last())


def test_last_layers_are_those_of_the_trunk_and_of_the_branches():
    student = DecoupledStudent(SlimStudent((8, 16), (8, 8), 4), (8, 16), 3, rectified=False)
    ends = [student.trunk.heads, *(end for head in student.heads for end in (head.normal, head.abnormal))]
    assert list(map(id, student.last())) == [id(part) for end in ends for part in end.parameters()]
