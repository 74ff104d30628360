import pytest
import torch
from torch import nn

from untaught.engine.checkpoint import (
    FILE,
    load_checkpoint,
    load_tensors,
    restore_optimizer,
    save_checkpoint,
    save_tensors,
)
from untaught.errors import RunError


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.teacher = nn.Linear(2, 2).requires_grad_(False)
        self.student = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def train(pair, optimizer, steps):
    for step in range(steps):
        x = torch.full((4, 2), float(step + 1)) + torch.arange(8).view(4, 2)
        optimizer.zero_grad()
        pair.student(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.AdamW, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)])
def test_training_goes_on_bit_for_bit(tmp_path, kind):
    torch.manual_seed(0)
    pair = Pair()
    optimizer = kind(pair.student.parameters())
    train(pair, optimizer, 3)
    save_checkpoint(tmp_path, pair, optimizer, {"epoch": 3})
    torch.manual_seed(1)
    other = Pair()
    progress, slots = load_checkpoint(tmp_path, other)
    again = kind(other.student.parameters())
    restore_optimizer(again, slots)
    train(pair, optimizer, 2)
    train(other, again, 2)
    assert progress == {"epoch": 3}
    for name, tensor in pair.student.state_dict().items():
        assert torch.equal(tensor, other.student.state_dict()[name]), name


def test_the_frozen_teacher_is_left_out(tmp_path):
    save_checkpoint(tmp_path, Pair(), None, {})
    assert not [name for name in load_tensors(tmp_path / FILE)[0] if "teacher" in name]


def test_another_network_is_refused(tmp_path):
    save_checkpoint(tmp_path, Pair(), None, {})
    with pytest.raises(RunError, match="another network"):
        load_checkpoint(tmp_path, nn.ModuleDict({"student": nn.Linear(2, 2)}))


def test_a_cut_file_is_one_clear_error(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(RunError, match="cannot be read"):
        load_tensors(path)


def test_nothing_is_left_of_a_failed_write(tmp_path):
    with pytest.raises(TypeError):
        save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {"bad": object()})
    assert list(tmp_path.iterdir()) == []
