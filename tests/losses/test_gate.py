import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from untaught.losses.gate import auroc, focal_loss, gate_quality


def test_focal_loss_by_hand():
    gate = torch.tensor([[[0.9, 0.2], [0.6, 0.5]]])
    mask = torch.tensor([[[True, False], [True, False]]])
    expected = [
        -0.8 * 0.1**2 * torch.log(torch.tensor(0.9)),
        -0.2 * 0.2**2 * torch.log(torch.tensor(0.8)),
        -0.8 * 0.4**2 * torch.log(torch.tensor(0.6)),
        -0.2 * 0.5**2 * torch.log(torch.tensor(0.5)),
    ]
    assert focal_loss(gate, mask) == pytest.approx(sum(map(float, expected)) / 4, rel=1e-5)


def test_a_gate_that_is_certain_and_wrong_gives_a_finite_loss_and_gradient():
    gate = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    loss = focal_loss(gate, torch.tensor([[[True, False]]]))
    loss.backward()
    assert 1 < loss.item() < 20
    assert torch.isfinite(gate.grad).all()
    assert focal_loss(1 - gate, torch.tensor([[[True, False]]])).item() < 1e-6


def test_quality_against_scikit_learn():
    torch.manual_seed(0)
    mask = torch.rand(500) < 0.2
    gate = ((torch.rand(500) + 0.4 * mask) * 10).round() / 14  # with ties
    found = gate_quality(gate, mask)
    assert found["gate AUROC"] == pytest.approx(roc_auc_score(mask, gate))
    assert found["gate F1"] == pytest.approx(f1_score(mask, gate > 0.5))
    assert found["mean gate at anomalous positions"] == pytest.approx(gate[mask].mean().item())
    assert found["mean gate at normal positions"] == pytest.approx(gate[~mask].mean().item())


def test_quality_without_anomalous_positions():
    assert gate_quality(torch.tensor([0.25, 0.75]), torch.zeros(2).bool()) == {"mean gate at normal positions": 0.5}


def test_ties_count_half():
    assert auroc(torch.ones(4), torch.tensor([True, False, False, True])) == 0.5
