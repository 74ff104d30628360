"""What an ensemble of students says of each position: how wrong it is, and how much its members differ.

Bergmann et al., CVPR 2020, section 3.3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def regression_error(students: Float[Tensor, "b m c h w"], target: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """e: squared distance of the students' mean from the teacher's descriptor, at least in fp32."""
    return (_exact(students).mean(dim=1) - _exact(target)).square().sum(dim=1)


def disagreement(students: Float[Tensor, "b m c h w"]) -> Float[Tensor, "b h w"]:
    """v: mean squared distance of the students from their mean, at least in fp32; 0 for a single student.

    The same as the paper's difference of mean square and squared mean, without its cancellation: never negative.
    """
    students = _exact(students)
    return (students - students.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1)


def _exact(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
