import pytest
import torch
from torch import nn
from torchvision.models import resnet

from untaught.nn.blocks import BasicBlock, Bottleneck, Form, form_of, init_kaiming


@pytest.mark.parametrize(("step", "size"), [("same", 8), ("down", 4), ("up", 16)])
@pytest.mark.parametrize("form", [Form(), Form(64), Form(128)])
def test_blocks_keep_halve_and_double(form, step, size):
    c_out = 16 if step == "same" else 32
    block = form.block(16, c_out, step)
    assert block(torch.randn(2, 16, 8, 8)).shape == (2, c_out, size, size)


def copy_by_order(source, target):
    state = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), state, strict=True)))


def randomise(module):
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)


@pytest.mark.parametrize("stride", [1, 2])
def test_bottleneck_is_torchvisions(stride):
    c_in = 32 if stride == 1 else 48
    down = None if stride == 1 else nn.Sequential(nn.Conv2d(48, 32, 1, 2, bias=False), nn.BatchNorm2d(32))
    theirs = resnet.Bottleneck(c_in, 8, stride, down, base_width=128).eval()
    randomise(theirs)
    ours = Bottleneck(c_in, 32, 16, "same" if stride == 1 else "down").eval()
    copy_by_order(theirs, ours)
    x = torch.randn(2, c_in, 6, 6)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("stride", [1, 2])
def test_basic_block_is_torchvisions(stride):
    c_in = 16 if stride == 1 else 24
    down = None if stride == 1 else nn.Sequential(nn.Conv2d(24, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
    theirs = resnet.BasicBlock(c_in, 16, stride, down).eval()
    randomise(theirs)
    ours = BasicBlock(c_in, 16, "same" if stride == 1 else "down").eval()
    copy_by_order(theirs, ours)
    x = torch.randn(2, c_in, 6, 6)
    assert torch.equal(ours(x), theirs(x))


def test_doubling_block_by_hand():
    # One channel, every weight 1, normalisation the identity: the transposed convolution repeats each pixel 2x2, the
    # 3x3 convolution adds up nine of them, the shortcut repeats again.
    block = BasicBlock(1, 1, "up").eval()
    for parameter in block.parameters():
        if parameter.ndim == 4:
            nn.init.ones_(parameter)
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = nn.functional.conv2d(repeated, torch.ones(1, 1, 3, 3), padding=1) + repeated
    assert torch.allclose(block(x), expected, rtol=1e-4)


def test_doubling_goes_through_the_middle_of_a_bottleneck_and_the_shortcut():
    block = Bottleneck(64, 32, 16, "up")
    up = [name for name, part in block.named_modules() if isinstance(part, nn.ConvTranspose2d)]
    assert up == ["conv2", "shortcut.0"]
    for name in up:
        part = block.get_submodule(name)
        assert (part.kernel_size, part.stride, part.padding, part.bias) == ((2, 2), (2, 2), (0, 0), None)


def test_initialisation_leaves_transposed_convolutions_alone():
    torch.manual_seed(0)
    block = Bottleneck(256, 128, 64, "up")
    before = block.conv2.weight.clone()
    init_kaiming(block)
    assert torch.equal(block.conv2.weight, before)
    assert block.conv3.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    assert torch.equal(block.bn3.weight, torch.ones(128))
    assert torch.equal(block.bn3.bias, torch.zeros(128))


def test_forms():
    assert form_of("wide_resnet50_2.tv_in1k") == Form(128, (3, 4, 6), 3)
    assert form_of("resnet18").depths == (2, 2, 2)
    assert form_of("tf_efficientnet_lite0") == Form(rectified=False)
    assert isinstance(form_of("resnet34").block(8, 8), BasicBlock)
    assert form_of("wide_resnet50_2").block(2048, 1024, "up").conv1.out_channels == 512
    assert form_of("resnet50").block(2048, 1024, "up").conv1.out_channels == 256
