import pytest
import torch

from untaught.losses.amplification import amplification_loss
from untaught.losses.gate import focal_loss
from untaught.nn.amplifier import Amplifier, ResidualGate, ResidualGenerator


def make(channels=(8,), size=(4, 6)):
    torch.manual_seed(0)
    return Amplifier(channels, [size] * len(channels), items=5)


@pytest.mark.parametrize(("channels", "count"), [(256, 1_076_736), (512, 4_250_624), (1024, 6_400_000)])
def test_parameters_of_a_level(channels, count):
    with torch.device("meta"):
        amplifier = Amplifier([channels], [(4, 4)])
    assert sum(parameter.numel() for parameter in amplifier.parameters()) == count


def test_the_gate_lies_within_0_and_1_and_is_a_half_where_both_memories_are_equal():
    torch.manual_seed(0)
    gate = ResidualGate(8, (4, 6), items=5)
    features = 10 * torch.randn(3, 8, 4, 6)
    opened = gate(features)
    assert opened.shape == (3, 4, 6)
    assert opened.min() > 0
    assert opened.max() < 1
    assert opened.std() > 1e-3
    with torch.no_grad():
        gate.memory[:, 5:] = gate.memory[:, :5]
    assert torch.allclose(gate(features), torch.full((3, 4, 6), 0.5))


def test_the_gate_step_by_step():
    torch.manual_seed(0)
    gate = ResidualGate(4, (2, 2), items=3)
    features = torch.randn(1, 4, 2, 2)
    code = torch.zeros(4, 2, 2)  # sine and cosine of the column, then of the row
    for row in range(2):
        for column in range(2):
            at = torch.tensor([float(column), float(row)])
            code[:, row, column] = torch.stack([at.sin(), at.cos()], dim=1).flatten()
    query = gate.project(features + code)[0].flatten(1).T
    similar = torch.nn.functional.cosine_similarity(query[:, None], gate.memory, dim=2)
    expected = torch.softmax(similar / 0.2, dim=1)[:, 3:].sum(1).view(1, 2, 2)
    assert torch.allclose(gate(features), expected, atol=1e-6)


def test_the_gate_compares_in_single_precision_where_the_rest_is_bfloat16():
    torch.manual_seed(0)
    gate, features = ResidualGate(8, (4, 6), items=5), torch.randn(2, 8, 4, 6)
    gate.project = torch.nn.Identity()
    with torch.autocast("cpu", torch.bfloat16):
        opened = gate(features)
    assert opened.dtype == torch.float32
    assert torch.equal(opened, gate(features))


def test_any_size_of_feature_map():
    gate = ResidualGate(8, (4, 6), items=5)
    assert gate(torch.randn(1, 8, 3, 7)).shape == (1, 3, 7)


def test_an_open_gate_keeps_each_value_between_nothing_and_its_double():
    torch.manual_seed(0)
    features, generator = torch.randn(2, 8, 3, 3), ResidualGenerator(8)
    with torch.no_grad():
        for part in generator.parameters():
            part.mul_(20)
    ratio = (features + generator(features)) / features
    assert ratio.min() >= 0
    assert ratio.max() <= 2
    assert ratio.std() > 0.1


def test_without_value_or_mask_the_features_are_the_teachers_exactly():
    features, amplifier = torch.randn(2, 8, 4, 6), make()
    assert torch.equal(amplifier([features], [torch.zeros(2, 4, 6)])[0], features)
    last = amplifier.generators[0].project[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    assert torch.equal(amplifier([features], amplifier.gate([features]))[0], features)


def test_each_loss_teaches_its_own_half():
    features, mask = torch.randn(2, 8, 4, 6), torch.zeros(2, 4, 6, dtype=torch.bool)
    mask[:, 1:3, 2:4] = True
    amplifier = make()
    focal_loss(amplifier.gate([features])[0], mask).backward()
    gate, generator = amplifier.gates[0], amplifier.generators[0]
    assert all(part.grad is None for part in generator.parameters())
    assert all(part.grad.abs().sum() > 0 for part in gate.parameters())
    amplifier.zero_grad()
    amplification_loss(features, amplifier([features], [mask.float()])[0], mask).backward()
    assert all(part.grad is None for part in gate.parameters())
    assert all(part.grad.abs().sum() > 0 for part in generator.parameters())
