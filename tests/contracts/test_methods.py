"""Every method keeps the contract, and the checker notices when one does not."""

import pytest
import torch

from untaught.methods.reverse_distillation import ReverseDistillation
from untaught.registry import method_class, method_names
from untaught.testing import check_method

SMALL = {"image_size": 64}
OWN = {
    # teachers of random weights, small and fast enough to be followed in twenty steps
    "uninformed_students": {
        "scales": [17],
        "network": {"width": 0.125, "descriptor": 32},
        "training": {"hidden_rate": 0.1},
    },
}


@pytest.mark.parametrize("name", method_names())
def test_contract(name):
    check_method(method_class(name), **SMALL, **OWN.get(name, {}))


@pytest.mark.parametrize("input_", ["depth", "both"])
def test_contract_with_depth(input_):
    small = {"flow": {"width": 16}, "student": {"width": 32, "blocks": 1}}
    check_method(method_class("asymmetric"), **SMALL, **small, input=input_)


class Unfrozen(ReverseDistillation):
    def __init__(self, config, *, untrained=False):
        super().__init__(config, untrained=untrained)
        self.teacher.requires_grad_(True)


class Normalising(ReverseDistillation):
    def forward(self, image):
        map_, score = super().forward(image)
        return map_ / map_.max(), score


class Small(ReverseDistillation):
    def forward(self, image):
        map_, score = super().forward(image)
        return map_[:, ::2, ::2], score


class Reversed(ReverseDistillation):
    def forward(self, image):
        map_, score = super().forward(image)
        return -map_, -score


class Idle(ReverseDistillation):
    def loss(self, batch):
        return {"cosine": sum(parameter.sum() for parameter in self.student.heads.parameters()) * 0 + 1.0}


class Restless(ReverseDistillation):
    def loss(self, batch):
        self.teacher.std += 1e-3
        return super().loss(batch)


class Forgetful(ReverseDistillation):
    def __init__(self, config, *, untrained=False):
        super().__init__(config, untrained=untrained)
        self.offset = 0.0

    def settle(self, batches, reduce):
        super().settle(batches, reduce)
        self.offset = 1.0

    def forward(self, image):
        map_, score = super().forward(image)
        return map_ + self.offset, score


class Moody(ReverseDistillation):
    def prepare(self, stage, batches, reduce):
        torch.seed()
        with torch.no_grad():
            for parameter in stage.parameters:
                parameter.add_(1e-6 * torch.randn_like(parameter))
        super().prepare(stage, batches, reduce)


@pytest.mark.parametrize(
    ("method", "word"),
    [
        (Unfrozen, "wants gradients"),
        (Normalising, "batch"),
        (Small, "the map of"),
        (Reversed, "does not rise"),
        (Idle, "does not fall"),
        (Restless, "changed by training"),
        (Forgetful, "when loaded"),
        (Moody, "seed is the same"),
    ],
)
def test_a_breach_is_noticed(method, word):
    with pytest.raises(AssertionError, match=word):
        check_method(method, **SMALL, student={"widths": [16, 24, 48, 64], "embedding": 32})
