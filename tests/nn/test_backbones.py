import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame

from untaught.errors import ConfigError
from untaught.nn.backbones import Teacher, find_levels, load_backbone
from untaught.nn.folding import Halving, folded

NETS = {
    "resnet18": ((4, 8, 16), (64, 128, 256)),
    "mobilenetv3_small_050": ((8, 16), (16, 24)),
    "tf_efficientnet_lite0": ((4, 8, 16), (24, 40, 112)),
}


@pytest.fixture(scope="module", params=NETS)
def teacher(request):
    return request.param, Teacher(request.param, NETS[request.param][0], untrained=True)


def test_levels_have_the_strides_and_channels_they_say(teacher):
    name, net = teacher
    strides, channels = NETS[name]
    assert net.channels == channels
    levels = net(torch.rand(2, 3, 64, 96))
    assert [tuple(level.shape) for level in levels] == [
        (2, c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)
    ]


def test_features_are_those_of_the_whole_network(teacher):
    name, net = teacher
    whole = timm.create_model(name, features_only=True).eval()
    whole.load_state_dict(net.net.state_dict(), strict=False)
    image = torch.rand(1, 3, 64, 64)
    cfg = timm.get_pretrained_cfg(name)
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (cfg.mean, cfg.std))
    there = dict(zip(whole.feature_info.reduction(), whole((image - mean) / std), strict=True))
    for stride, level in zip(net.strides, net(image), strict=True):
        assert torch.allclose(level, there[stride], atol=1e-5)


def test_frozen_whatever_is_asked(teacher):
    _, net = teacher
    net.train()
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert not any(level.requires_grad for level in net(torch.rand(1, 3, 32, 32)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_channels_last(teacher):
    _, net = teacher
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in net(torch.rand(1, 3, 64, 64)))


def test_lite_is_normalised_to_minus_1_to_1():
    net = Teacher("tf_efficientnet_lite0", (8,), untrained=True)
    assert set(net.mean.flatten().tolist()) | set(net.std.flatten().tolist()) == {0.5}


@pytest.mark.parametrize(("name", "deepest"), [("tf_efficientnet_lite0", "blocks.4."), ("resnet18", "layer3.")])
def test_nothing_behind_the_deepest_level_is_kept(name, deepest):
    net, _ = load_backbone(name, (8, 16), untrained=True)
    assert list(net.state_dict())[-1].startswith(deepest)


def test_channel_last_networks_come_out_channels_first():
    net = Teacher("swin_tiny_patch4_window7_224", (4,), untrained=True)
    assert net(torch.rand(1, 3, 96, 64))[0].shape == (1, 96, 24, 16)


def test_random_weights_are_always_the_same_and_leave_the_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = Teacher("mobilenetv3_small_050", (8,), untrained=True)
    assert torch.equal(torch.rand(3), expected)
    other = Teacher("mobilenetv3_small_050", (8,), untrained=True)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("name", "strides", "word"),
    [
        ("resnet81", (8,), "resnet18"),
        ("resnet18.nowhere", (8,), "nowhere"),
        ("resnet18", (8, 64), "2, 4, 8, 16, 32"),
        ("resnet18", (16, 8), "rising"),
    ],
)
def test_what_cannot_be_had_is_named(name, strides, word):
    with pytest.raises(ConfigError, match=word):
        find_levels(name, strides)


def test_an_efficientnet_can_be_cut_behind_any_group():
    net = Teacher("tf_efficientnet_lite0", (32,), untrained=True, groups=6)
    whole = Teacher("tf_efficientnet_lite0", (16, 32), untrained=True)
    seen = []
    whole.net.blocks[5].register_forward_hook(lambda module, given, result: seen.append(result))
    image = torch.rand(2, 3, 64, 96)
    whole(image)
    normal = ((image - net.mean) / net.std).contiguous(memory_format=torch.channels_last)
    (level,) = net.net(normal)
    assert torch.allclose(net(image)[0], level, atol=1e-4)
    assert net.channels == (192,)
    assert torch.equal(level, seen[0])
    assert not any(module.training for module in net.modules())
    fresh = timm.create_model("tf_efficientnet_lite0")
    assert torch.equal(net.net.blocks[0][0].bn1.running_mean, fresh.blocks[0][0].bn1.running_mean)


@pytest.mark.parametrize(
    ("name", "strides", "groups", "word"),
    [
        ("tf_efficientnet_lite0", (32,), 9, "1 to 7"),
        ("tf_efficientnet_lite0", (32,), 5, "stride of 16"),
        ("tf_efficientnet_lite0", (16, 32), 6, "stride of 32"),
        ("resnet18", (32,), 2, "an EfficientNet"),
    ],
)
def test_a_cut_that_is_not_there(name, strides, groups, word):
    with pytest.raises(ConfigError, match=word):
        Teacher(name, strides, untrained=True, groups=groups)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_what_computes_has_no_batch_norm_and_follows_the_state(name):
    def norms(module):
        return sum(isinstance(part, torch.nn.BatchNorm2d) for part in module.modules())

    net, image = Teacher(name, (4, 8), untrained=True), torch.rand(1, 3, 64, 64)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.inference_mode():
        before = net(image)
    assert norms(net) > 0
    assert norms(net.network()) == 0
    assert state.keys() == net.state_dict().keys()
    changed = {key: value * 1.5 if key.endswith("running_var") else value for key, value in state.items()}
    torch.nn.ModuleList([net]).load_state_dict({f"0.{key}": value for key, value in changed.items()})
    other = net(image)
    assert not torch.allclose(before[-1], other[-1])
    assert torch.allclose(net.net((image - net.mean) / net.std)[-1], other[-1], atol=1e-5)
    with torch.no_grad():
        net.net.get_parameter(next(key for key, _ in net.net.named_parameters())).mul_(2)
    assert not torch.allclose(other[-1], net(image)[-1]), "weights changed in place"
    assert torch.allclose(net.net((image - net.mean) / net.std)[-1], net(image)[-1], atol=1e-4)
    assert net.double()(image.double())[-1].dtype == torch.float64


def test_norms_that_are_called_in_another_order_stay():
    class Crossed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.last = (
                torch.nn.Conv2d(3, 3, 3),
                torch.nn.BatchNorm2d(3),
                torch.nn.Conv2d(3, 3, 3),
            )
            self.norm.running_mean += 1

        def forward(self, image):
            return [self.last(self.norm(image)) + self.conv(image)]

    net = Crossed().eval().requires_grad_(False)
    assert folded(net) is net


def test_a_network_for_pictures_of_one_size_stays_as_it_is():
    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 3, 3), torch.nn.BatchNorm2d(3)

        def forward(self, image):
            assert image.shape[-1] == 96
            return [self.norm(self.conv(image))]

    net = Fixed().eval().requires_grad_(False)
    assert folded(net) is net


@pytest.mark.parametrize(("side", "even"), [(64, True), (96, True), (70, False)])
@pytest.mark.parametrize(("kernel", "groups"), [(3, 8), (5, 8), (7, 8)])
def test_a_convolution_that_halves_gives_the_same_without_a_padded_copy(side, even, kernel, groups):
    conv = Conv2dSame(8, 16, kernel, stride=2, groups=groups).requires_grad_(False)
    features = torch.randn(2, 8, side, side if even else side - 1)
    assert Halving.takes(conv)
    assert torch.allclose(Halving(conv)(features), conv(features), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 1},
        {"stride": 4},
        {"stride": (2, 1)},
        {"dilation": 2},
        {"kernel_size": (3, 5)},
        {"kernel_size": 1},
        {"kernel_size": 4},
        {"groups": 2},
        {"groups": 1},
        {"device": "meta"},
    ],
)
def test_other_convolutions_are_left_alone(options):
    depthwise = {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "stride": 2, "groups": 4}
    assert Halving.takes(Conv2dSame(**depthwise))
    assert not Halving.takes(Conv2dSame(**depthwise | options))
    assert not Halving.takes(torch.nn.Conv2d(4, 8, 3, stride=2, groups=4))


def test_a_network_that_halves_with_its_own_padding_takes_odd_pictures_too():
    net = Teacher("tf_efficientnet_lite0", (4, 32), untrained=True)
    assert sum(isinstance(part, Halving) for part in net.network().modules()) == 4
    for image in (torch.rand(1, 3, 128, 96), torch.rand(1, 3, 101, 75)):
        for one, other in zip(net.net((image - net.mean) / net.std), net(image), strict=True):
            assert torch.allclose(one, other, atol=1e-4 * float(one.abs().max()))
