import pytest
import torch

from untaught.losses import amplification
from untaught.losses.amplification import amplification_loss


def parts(batch=2, channels=6, size=4):
    torch.manual_seed(0)
    features = torch.randn(batch, channels, size, size)
    mask = torch.zeros(batch, size, size, dtype=torch.bool)
    mask[0, 1:3, 1:3] = True
    return features, mask


def test_without_change_the_loss_is_the_margin():
    features, mask = parts()
    assert amplification_loss(features, features, mask).item() == pytest.approx(0.3, abs=1e-6)


def test_pair_by_pair():
    features, mask = parts()
    other = torch.randn_like(features)
    rows, changed = (level.permute(0, 2, 3, 1).reshape(-1, 6) for level in (features, other))
    cosine = torch.nn.functional.cosine_similarity
    values = [
        torch.relu(cosine(rows[i], changed[j], dim=0) - (cosine(rows[i], rows[j], dim=0) - 0.3))
        for i in range(32) for j in range(32) if mask.flatten()[j] and not mask.flatten()[i]
    ]  # fmt: skip
    assert len(values) == 28 * 4
    assert amplification_loss(features, other, mask).item() == pytest.approx(
        torch.stack(values).mean().item(), abs=1e-5
    )


def test_nothing_is_asked_once_every_cosine_has_dropped_by_the_margin():
    features, mask = torch.ones(1, 4, 2, 2), torch.tensor([[[True, False], [False, False]]])
    turned = features.clone()
    turned[0, :, 0, 0] = torch.tensor([1.0, -1.0, 1.0, -1.0])  # cosine 0 in place of 1
    assert amplification_loss(features, turned, mask).item() == 0


@pytest.mark.parametrize("value", [False, True])
def test_without_one_of_the_sides_it_is_zero_with_a_gradient(value):
    features, mask = parts()
    features.requires_grad_()
    loss = amplification_loss(features.detach(), features, torch.full_like(mask, value))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_cosines_are_compared_in_single_precision_where_the_rest_is_bfloat16():
    features, mask = parts()
    other = torch.randn_like(features)
    expected = amplification_loss(features, other, mask)
    with torch.autocast("cpu", torch.bfloat16):
        loss = amplification_loss(features, other, mask)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


def test_positions_are_drawn_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(amplification, "NORMAL", 3)
    monkeypatch.setattr(amplification, "ANOMALOUS", 2)
    features, mask = parts()
    seen = {amplification_loss(features, torch.randn_like(features) * 0 + 1, mask).item() for _ in range(5)}
    assert len(seen) > 1
    torch.manual_seed(1)
    places = amplification.drawn(mask, 2)
    assert len(set(places.tolist())) == 2
    assert mask.flatten()[places].all()


def test_zero_features_give_a_finite_gradient():
    features, mask = parts()
    features = torch.zeros_like(features).requires_grad_()
    amplification_loss(features.detach(), features, mask).backward()
    assert torch.isfinite(features.grad).all()
