import pytest
import torch
from torch import nn
from torchvision.models import resnet

from untaught.nn.blocks import form_of
from untaught.nn.bottleneck import Fusion, OneClassEmbedding

WIDE = (256, 512, 1024)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_of_the_wide_net():
    with torch.device("meta"):
        assert count(Fusion(WIDE)) == 10_621_952
        assert count(OneClassEmbedding(3072, 2048, form_of("wide_resnet50_2"))) == 48_263_168


@pytest.mark.parametrize("size", [256, 320])
@pytest.mark.parametrize(
    ("channels", "name", "embedded"), [(WIDE, "wide_resnet50_2", 2048), ((64, 128, 256), "resnet18", 512)]
)
def test_shapes(channels, name, embedded, size):
    with torch.device("meta"):
        fusion = Fusion(channels)
        oce = OneClassEmbedding(fusion.channels, embedded, form_of(name))
        levels = [
            torch.empty(2, c, size // stride, size // stride) for c, stride in zip(channels, (4, 8, 16), strict=True)
        ]
        fused = fusion(levels)
        assert fused.shape == (2, 3 * channels[-1], size // 16, size // 16)
        assert oce(fused).shape == (2, embedded, size // 32, size // 32)


def test_fusion_joins_finest_first_and_leaves_the_deepest_as_it_is():
    fusion = Fusion((2, 4, 8)).eval()
    levels = [torch.randn(1, 2, 16, 16), torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)]
    fused = fusion(levels)
    assert torch.equal(fused[:, 16:], levels[2])
    by_hand = levels[1]
    for part in (nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()):
        part.load_state_dict(fusion.paths[1][("Conv2d", "BatchNorm2d", "ReLU").index(type(part).__name__)].state_dict())
        by_hand = part.eval()(by_hand)
    assert torch.equal(fused[:, 8:16], by_hand)
    assert [type(part).__name__ for part in fusion.paths[0]] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2


def test_embedding_is_a_stage_of_torchvisions_resnet():
    theirs = resnet.resnet18()
    theirs.inplanes = 24
    layer = theirs._make_layer(resnet.BasicBlock, 16, 2, stride=2).eval()
    ours = OneClassEmbedding(24, 16, form_of("resnet18")).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), layer.state_dict().values(), strict=True)))
    x = torch.randn(2, 24, 8, 8)
    assert torch.equal(ours(x), layer(x))
