import pytest
import torch
from torch import nn

from untaught.nn.blocks import form_of
from untaught.nn.decoders import MirroredDecoder


def test_parameters_of_the_wide_net():
    with torch.device("meta"):
        decoder = MirroredDecoder(2048, (256, 512, 1024), form_of("wide_resnet50_2"))
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 24_917_504
    assert [len(stage) for stage in decoder.stages] == [3, 4, 6]
    assert [stage[0].conv1.out_channels for stage in decoder.stages] == [512, 256, 128]


@pytest.mark.parametrize(("channels", "name"), [((256, 512, 1024), "wide_resnet50_2"), ((64, 128, 256), "resnet18")])
def test_levels_come_out_finest_first(channels, name):
    with torch.device("meta"):
        decoder = MirroredDecoder(2 * channels[-1], channels, form_of(name))
        levels = decoder(torch.empty(2, 2 * channels[-1], 8, 8))
    assert [tuple(level.shape) for level in levels] == [
        (2, c, s, s) for c, s in zip(channels, (64, 32, 16), strict=True)
    ]


def test_a_level_is_made_from_the_one_below():
    decoder = MirroredDecoder(16, (4, 8), form_of("resnet18")).eval()
    fine, coarse = decoder(torch.randn(2, 16, 4, 4))
    assert torch.equal(decoder.stages[1](coarse), fine)


def test_only_the_first_block_of_a_stage_doubles():
    decoder = MirroredDecoder(16, (4, 8), form_of("resnet18"))
    up = [name for name, part in decoder.named_modules() if isinstance(part, nn.ConvTranspose2d)]
    assert up == ["stages.0.0.conv1", "stages.0.0.shortcut.0", "stages.1.0.conv1", "stages.1.0.shortcut.0"]


@pytest.mark.parametrize(("name", "negative"), [("resnet18", False), ("tf_efficientnet_lite0", True)])
def test_signs_are_those_of_the_teacher(name, negative):
    decoder = MirroredDecoder(16, (4, 8), form_of(name)).eval()
    assert all((level.min() < 0) == negative for level in decoder(torch.randn(2, 16, 4, 4)))
