"""What a method sees of the data: tensors, never files."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(slots=True)
class Batch:
    """Images of one training step and what the frozen side of the method has to say of them.

    `image` holds RGB in 0..1 and is None where the stage declared a frozen side and did not ask for pixels too;
    `index` numbers the images within the training list; `frozen` holds the tensors of `Stage.frozen`. In a stage that
    asks for pairs, `defect` is the image with a drawn defect, equal to `image` wherever `mask` is False. `depth` is
    there with `image` where the method takes it: centimetres from the part's mean, and 1 where the part is, else 0.
    """

    index: Int[Tensor, " b"]
    image: Float[Tensor, "b 3 h w"] | None = None
    frozen: dict[str, Tensor] = field(default_factory=dict)
    defect: Float[Tensor, "b 3 h w"] | None = None
    mask: Bool[Tensor, "b 1 h w"] | None = None
    depth: Float[Tensor, "b 2 h w"] | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`; nothing is copied where it is there already."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        frozen = {name: tensor.to(device) for name, tensor in self.frozen.items()}
        return Batch(
            self.index.to(device),
            moved(self.image),
            frozen,
            moved(self.defect),
            moved(self.mask),
            moved(self.depth),
        )
