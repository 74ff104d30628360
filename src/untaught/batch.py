"""What a method sees of the data: tensors, never files."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(slots=True)
class Batch:
    """Images of one training step and what the frozen side of the method has to say of them.

    `image` holds RGB in 0..1 and is None where the stage declared a frozen side and needs no pixels any more;
    `index` numbers the images within the training list; `frozen` holds the tensors of `Stage.frozen`.
    """

    index: Int[Tensor, " b"]
    image: Float[Tensor, "b 3 h w"] | None = None
    frozen: dict[str, Tensor] = field(default_factory=dict)
