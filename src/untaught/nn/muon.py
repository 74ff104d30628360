"""Muon for convolutions, Adam for the rest, as one optimiser.

Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon: the momentum of a weight matrix is replaced by its nearest semi-orthogonal
matrix, so that all directions of the weight learn equally fast. The iteration approximates U V' of the singular value
decomposition by a fifth-order polynomial. A convolution's weight (out, in, kh, kw) is taken as (out, in kh kw).

torch.optim.Muon (torch >= 2.9) takes matrices only; a student is made of convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from untaught.nn.precision import bf16_pays

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
LONG = 4  # from so many columns a row the iteration on the Gram matrix is the cheaper one


class MuonAdam(torch.optim.Optimizer):
    """Muon on parameters of four dimensions, Adam (Kingma & Ba, ICLR 2015) on all others and on those named as heads.

    Args:
        parameters: all parameters.
        heads: parameters that Adam takes although they have four dimensions: the last layers.
        rate: Muon's learning rate.
        adam_rate: Adam's learning rate.
        momentum: Muon's Nesterov momentum.
        decay: Muon's decoupled weight decay.
        betas: Adam's.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        heads: Iterable[nn.Parameter],
        *,
        rate: float,
        adam_rate: float,
        momentum: float = 0.95,
        decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        last = {id(parameter) for parameter in heads}
        everything = list(parameters)
        inner = [item for item in everything if item.ndim == 4 and id(item) not in last]
        chosen = {id(item) for item in inner}
        groups = [
            {"params": inner, "lr": rate, "muon": True},
            {"params": [item for item in everything if id(item) not in chosen], "lr": adam_rate, "muon": False},
        ]
        super().__init__(groups, {"momentum": momentum, "decay": decay, "betas": betas, "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step on the gradients that are there."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _muon(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        low = state.setdefault("bf16", bf16_pays(parameter.device))
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(momentum, group["momentum"]).flatten(1)
        rows, columns = matrix.shape
        step = orthogonalise(matrix, bf16=low).view_as(parameter).to(parameter.dtype)
        parameter.mul_(1 - group["lr"] * group["decay"]).add_(
            step, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5
        )

    def _adam(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state |= {"steps": 0, "first": torch.zeros_like(parameter), "second": torch.zeros_like(parameter)}
        state["steps"] += 1
        low, high = group["betas"]
        state["first"].lerp_(gradient, 1 - low)
        state["second"].mul_(high).addcmul_(gradient, gradient, value=1 - high)
        root = (state["second"] / (1 - high ** state["steps"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(state["first"], root, value=-group["lr"] / (1 - low ** state["steps"]))


def orthogonalise(matrix: Tensor, rounds: int = 5, bf16: bool = False) -> Tensor:
    """The semi-orthogonal matrix nearest to `matrix` (r, c), roughly: singular values come out between 0.7 and 1.2.

    Of a long matrix X the iteration is done on the small X X' alone, which tells all factors to be multiplied by;
    they commute. In fp32, for rounding would make its small eigenvalues negative.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    inner = matrix.T if tall else matrix
    inner = inner / (inner.norm() + 1e-7)
    low = inner.bfloat16() if bf16 else inner
    if inner.shape[1] >= LONG * inner.shape[0]:
        low = powers(inner @ inner.T, rounds).to(low.dtype) @ low
    else:
        for _ in range(rounds):
            low = polynomial(low @ low.T) @ low
    result: Tensor = low.T if tall else low
    return result.to(matrix.dtype)


def polynomial(gram: Tensor) -> Tensor:
    """What a matrix with this Gram matrix is multiplied by in one round of the iteration."""
    a, b, c = NEWTON_SCHULZ
    factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal().add_(a)
    return factor


def powers(gram: Tensor, rounds: int) -> Tensor:
    """The product of the factors of all rounds, from the first Gram matrix."""
    total = factor = polynomial(gram)
    for _ in range(rounds - 1):
        gram = factor @ gram @ factor
        factor = polynomial(gram)
        total = factor @ total
    return total
