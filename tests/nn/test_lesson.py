import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from untaught.nn.backbones import Teacher
from untaught.nn.dense import PatchNet, PatchSettings
from untaught.nn.lesson import DEVIATION, MEAN, ZOOM, Lesson, shifted


@pytest.mark.parametrize("patch", [17, 33, 65])
def test_patch_by_patch_the_large_network_says_its_pooled_features(patch):
    torch.manual_seed(0)
    teacher = PatchNet(patch, PatchSettings(width=1 / 16, pooled=False))
    lesson = Lesson(teacher, Teacher("resnet18.tv_in1k", (32,), untrained=True), dense=False)
    large = timm.create_model("resnet18", num_classes=0).eval()
    large.load_state_dict(lesson.backbone.net.state_dict())
    image = torch.rand(4, 3, patch, patch)
    normal = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.no_grad():
        taught = lesson.train()(image)
        assert torch.allclose(taught.target, large(normal), atol=1e-5)
        assert torch.allclose(taught.descriptor, teacher(normal).flatten(1), atol=1e-6)
        assert torch.equal(taught.decoded, lesson.decoder(taught.descriptor))
    assert taught.target.shape == (4, 512)
    assert sum(parameter.numel() for parameter in lesson.decoder.parameters()) == 66_048


class Looking(nn.Module):
    """A large network that says what colour it sees."""

    channels, record = (3,), None

    def forward(self, image):
        return [F.avg_pool2d(image, 2 * ZOOM)]


def test_a_crop_is_taught_at_the_middles_of_its_patches():
    net = PatchNet(33, PatchSettings(width=1 / 16, descriptor=4))
    lesson = Lesson(net, Looking(), dense=True, stride=4).eval()
    ramp = (torch.arange(64.0) + 0.5) / 64
    image = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64), torch.zeros(64, 64)])[None]
    with torch.no_grad():
        taught = lesson(image)
    grid = round(len(taught.target) ** 0.5)
    middle = (4 * torch.arange(grid) + net.field / 2) / 64
    x, y, _ = taught.target.view(grid, grid, 3).unbind(2)
    assert torch.allclose(x, middle.expand(grid, grid), atol=1e-4)
    assert torch.allclose(y, middle[:, None].expand(grid, grid), atol=1e-4)


@pytest.mark.parametrize("patch", [17, 33])
def test_the_copy_is_moved_by_at_most_a_quarter_of_the_patch_and_noisy(patch):
    torch.manual_seed(0)
    reach = (patch - 1) // 4
    side = patch + 2 * reach
    place = torch.arange(float(side * side)).view(1, 1, side, side).expand(300, 3, -1, -1)
    middle, moved = shifted(place, patch, noise=0.0)
    assert middle.shape == moved.shape == (300, 3, patch, patch)
    assert torch.equal(middle, place[..., reach : reach + patch, reach : reach + patch])
    step = (moved - middle)[:, 0, 0, 0]
    down, right = torch.round(step / side), step - side * torch.round(step / side)
    assert down.min() == right.min() == -reach
    assert down.max() == right.max() == reach
    middle, moved = shifted(torch.zeros(300, 3, side, side), patch)
    assert moved.std().item() == pytest.approx(0.1, rel=0.02)
    assert not middle.any()
