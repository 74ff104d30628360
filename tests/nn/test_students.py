import pytest
import torch

from untaught.nn.blocks import form_of
from untaught.nn.students import MirroredStudent, SlimStudent


def test_mirrored_student_of_the_paper():
    with torch.device("meta"):
        student = MirroredStudent((256, 512, 1024), form_of("wide_resnet50_2"))
    assert sum(parameter.numel() for parameter in student.parameters() if parameter.requires_grad) == 83_802_624
    parts = [name.partition(".")[0] for name in student.state_dict()]
    assert list(dict.fromkeys(parts)) == ["fusion", "embedding", "decoder"]


@pytest.mark.parametrize(("channels", "widths"), [((6, 10, 20), (8, 12, 16)), ((6, 10), (8, 12, 16)), ((6,), (8,))])
def test_slim_student_restores_every_level(channels, widths):
    student = SlimStudent(channels, widths, 4)
    levels = [torch.randn(2, c, 16 >> n, 16 >> n) for n, c in enumerate(channels)]
    embedded = []
    student.squeeze.register_forward_hook(lambda module, args, output: embedded.append(output))
    restored = student(levels)
    assert [level.shape for level in restored] == [level.shape for level in levels]
    assert embedded[0].shape == (2, 4, 32 >> len(widths), 32 >> len(widths))
    assert min(level.min() for level in restored) < 0
    sum(level.sum() for level in restored).backward()
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_all_a_slim_student_knows_went_through_the_embedding():
    student = SlimStudent((6, 10), (8, 12, 16), 4).eval()
    one, other = ([torch.randn(1, 6, 16, 16), torch.randn(1, 10, 8, 8)] for _ in range(2))
    assert not any(torch.equal(a, b) for a, b in zip(student(one), student(other), strict=True))
    student.squeeze.register_forward_hook(lambda module, args, output: torch.zeros_like(output))
    assert all(torch.equal(a, b) for a, b in zip(student(one), student(other), strict=True))


def test_every_level_reaches_the_embedding():
    student = SlimStudent((6, 10, 3), (8, 12, 16, 4), 4).eval()
    levels = [torch.randn(1, c, 16 >> n, 16 >> n, requires_grad=True) for n, c in enumerate((6, 10, 3))]
    student.squeeze(student._fused(levels)).square().sum().backward()
    assert all(level.grad.abs().sum() > 0 for level in levels)


def test_the_finest_sizes_may_go_without_a_block():
    full, plain = (SlimStudent((6, 10), (8, 12, 16), 4, count) for count in (0, 1))
    saved = sum(parameter.numel() for parameter in full.parameters()) - sum(p.numel() for p in plain.parameters())
    assert saved == 9 * 8 * 8 + 2 * 8
    features = [torch.randn(2, 6, 16, 16), torch.randn(2, 10, 8, 8)]
    assert [level.shape for level in plain(features)] == [level.shape for level in features]
