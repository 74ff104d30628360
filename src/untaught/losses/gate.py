"""Whether a gate opens where something is anomalous: what trains it, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EPS = 1e-6


def focal_loss(
    gate: Float[Tensor, "b h w"], mask: Bool[Tensor, "b h w"], alpha: float = 0.8, gamma: float = 2.0
) -> Float[Tensor, ""]:
    """Cross entropy of each position, the less the surer it is already, averaged over all; fp32.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, with `alpha` for anomalous positions and
    1 - `alpha` for the others.

    Args:
        gate: probability that a position is anomalous.
        mask: whether it is.
        alpha: weight of anomalous positions.
        gamma: how much less sure positions count.
    """
    chance = gate.float().clamp(EPS, 1 - EPS)
    anomalous = -alpha * (1 - chance) ** gamma * chance.log()
    normal = -(1 - alpha) * chance**gamma * (1 - chance).log()
    return torch.where(mask, anomalous, normal).mean()


def gate_quality(gate: Float[Tensor, " n"], mask: Bool[Tensor, " n"]) -> Mapping[str, float]:
    """AUROC of the gate, its F1 when it counts as open above a half, and its means; without anomalous positions the
    first two are left out.
    """
    found = {"mean gate at anomalous positions": gate[mask], "mean gate at normal positions": gate[~mask]}
    means = {name: float(values.mean()) for name, values in found.items() if len(values)}
    if mask.all() or not mask.any():
        return means
    hits = float((gate[mask] > 0.5).sum())
    f1 = 2 * hits / max(1.0, float((gate > 0.5).sum() + mask.sum()))
    return {"gate AUROC": auroc(gate, mask), "gate F1": f1, **means}


def auroc(values: Float[Tensor, " n"], mask: Bool[Tensor, " n"]) -> float:
    """Chance that an anomalous value lies above a normal one, ties counting half (Mann and Whitney, 1947)."""
    normal, anomalous = values[~mask].double().sort().values, values[mask].double()
    below = torch.searchsorted(normal, anomalous) + torch.searchsorted(normal, anomalous, right=True)
    return float(below.double().mean() / (2 * len(normal)))
