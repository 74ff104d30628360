"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from untaught.config import Frozen
from untaught.nn.muon import MuonAdam

Kept = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(Frozen):
    """Which optimiser with which rates. Defaults are those of the `lite` presets."""

    optimizer: Literal["adam", "muon", "sgd"] = "muon"
    learning_rate: float = Field(default=3e-3, gt=0, description="of all, with `muon` of what is no hidden convolution")
    hidden_rate: float = Field(default=0.05, gt=0, description="muon: learning rate of hidden convolutions")
    weight_decay: float = Field(default=0.01, ge=0, description="muon: of hidden convolutions; sgd: of all")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd")
    adam_decay: float = Field(default=0.0, ge=0, description="adam: weight decay, added to the gradient")
    betas: tuple[Kept, Kept] = Field(default=(0.9, 0.99), description="adam: what stays of the two means a step")

    def build(self, parameters: Sequence[nn.Parameter], heads: Iterable[nn.Parameter] = ()) -> torch.optim.Optimizer:
        """The optimiser of `parameters`; `heads` are the last layers, which Muon leaves to Adam."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, self.learning_rate, self.betas, weight_decay=self.adam_decay)
        if self.optimizer == "sgd":
            return torch.optim.SGD(parameters, self.learning_rate, self.momentum, weight_decay=self.weight_decay)
        return MuonAdam(
            parameters,
            heads,
            rate=self.hidden_rate,
            adam_rate=self.learning_rate,
            decay=self.weight_decay,
            betas=self.betas,
        )
