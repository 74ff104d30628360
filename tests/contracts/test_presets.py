"""Every method, preset and kind of input as a graph: what ONNX Runtime answers is what torch answers."""

import pytest
import torch

from untaught.registry import method_class, method_names
from untaught.testing import check_exported

# Networks as they are, pictures as small as they take: what a graph holds does not hang on the size.
SIDES = {"aand": 128, "asymmetric": 128}
KINDS = [
    (name, preset, input_)
    for name in method_names()
    for preset in method_class(name).presets
    for input_ in (("rgb", "depth", "both") if name == "asymmetric" else ("rgb",))
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset", "input_"), KINDS)
def test_as_a_graph_a_preset_answers_as_in_torch(name, preset, input_):
    torch.manual_seed(0)
    kind, side = method_class(name), SIDES.get(name, 64)
    more = {"input": input_} if name == "asymmetric" else {}
    method = kind(kind.configure(preset, image_size=side, **more), untrained=True).eval()
    shown = {"image": torch.rand(2, 3, side, side), "depth": torch.rand(2, 2, side, side)}
    check_exported(method, tuple(shown[one] for one in method.inputs))
