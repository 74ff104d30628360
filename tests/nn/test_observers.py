import pytest
import torch

from untaught.errors import ConfigError
from untaught.nn.observers import ObserverSettings, PlainStudent, Twin, make_observer


def test_a_plain_student_answers_in_the_teachers_shapes():
    student = PlainStudent((5, 6, 7), (4, 8, 32), (4, 6, 8, 10, 12), depth=1)
    levels = student(torch.rand(2, 3, 64, 64))
    assert [tuple(level.shape) for level in levels] == [(2, 5, 16, 16), (2, 6, 8, 8), (2, 7, 2, 2)]
    assert any((level < 0).any() for level in levels)  # targets of either sign can be met
    assert {id(head) for head in student.last()} == {id(item) for item in student.outputs.parameters()}


def test_layers_behind_the_last_level_are_not_built():
    assert len(PlainStudent((5,), (8,), (4, 6, 8, 10, 12), depth=1).steps) == 3


@pytest.mark.parametrize(("strides", "widths"), [((8, 16), (4, 6, 8)), ((6,), (4, 6, 8))])
def test_strides_and_widths_that_do_not_go_together(strides, widths):
    with pytest.raises(ConfigError, match="powers of two"):
        PlainStudent((3,) * len(strides), strides, widths, 1)


def test_a_twin_normalises_the_image_as_the_teacher_does_and_is_trained():
    twin = make_observer(ObserverSettings(form="twin"), "resnet18", (4, 8), (64, 128))
    assert isinstance(twin, Twin)
    assert all(parameter.requires_grad for parameter in twin.parameters())
    assert twin.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert [level.shape[1] for level in twin(torch.rand(1, 3, 64, 64))] == [64, 128]
    assert twin.train().net.training
