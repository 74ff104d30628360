import pytest
import torch
from torch import nn

from untaught.nn.muon import MuonAdam, orthogonalise, polynomial, powers


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_come_near_one(shape, bf16):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape) * 7, bf16=bf16))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_singular_directions_are_kept():
    torch.manual_seed(0)
    matrix = torch.randn(8, 40)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    agreement = (orthogonalise(matrix) * (u @ v)).sum() / (u @ v).square().sum()
    assert agreement == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("rank", [12, 5])
def test_the_iteration_on_the_gram_matrix_is_the_one_on_the_matrix(rank):
    torch.manual_seed(0)
    left, right = torch.randn(12, rank), torch.randn(rank, 60)
    start = left * torch.logspace(0, -2, rank) @ right
    start /= start.norm()
    step = start.double()
    for _ in range(5):
        step = polynomial(step @ step.T) @ step
    torch.testing.assert_close(powers(start @ start.T, 5) @ start, step.float(), atol=2e-3, rtol=0)


def test_adam_part_equals_torch():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    a = MuonAdam(ours.parameters(), [], rate=1.0, adam_rate=0.01, betas=(0.9, 0.99))
    b = torch.optim.Adam(theirs.parameters(), 0.01, (0.9, 0.99))
    for step in range(5):
        x = torch.full((4, 3), step + 1.0) + torch.arange(12).view(4, 3)
        for net, optimizer in ((ours, a), (theirs, b)):
            optimizer.zero_grad()
            net(x).square().sum().backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_heads_are_left_to_adam_and_the_rest_of_the_convolutions_to_muon():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1))
    muon, adam = MuonAdam(net.parameters(), net[2].parameters(), rate=0.1, adam_rate=0.01).param_groups
    assert [id(item) for item in muon["params"]] == [id(net[0].weight)]
    assert len(adam["params"]) == 5


def test_it_learns_in_any_memory_format():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 8, 8)
    results = []
    for form in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 1)).to(memory_format=form)
        optimizer = MuonAdam(net.parameters(), net[2].parameters(), rate=0.05, adam_rate=0.01)
        for _ in range(20):
            loss = (net(x) - x[:, :, 1:-1, 1:-1]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        results.append(loss.item())
    assert results[0] < 0.5
    assert results[1] == pytest.approx(results[0], rel=0.05)


def test_a_weight_is_orthogonalised_in_the_precision_it_began_in(monkeypatch):
    from untaught.nn import muon

    torch.manual_seed(0)
    start, gradients = torch.randn(8, 4, 3, 3), torch.randn(2, 8, 4, 3, 3)

    def after(*pays):
        weight = nn.Parameter(start.clone())
        optimizer = MuonAdam([weight], [], rate=0.1, adam_rate=0.1)
        for gradient, its in zip(gradients, pays, strict=True):
            monkeypatch.setattr(muon, "bf16_pays", lambda device, its=its: its)
            weight.grad = gradient
            optimizer.step()
        return weight.detach()

    assert torch.equal(after(True, True), after(True, False))
    assert torch.equal(after(False, False), after(False, True))
    assert not torch.equal(after(True, True), after(False, False))
