import pytest
import torch
from torch import nn

from untaught.nn.dense import PatchNet, PatchSettings, describe, frame, grid_size, mirror

PAPER = PatchSettings(width=1.0, pooled=False, init="torch")
TINY = PatchSettings(width=1 / 32, descriptor=6, pooled=False)
FIELDS = {17: 17, 33: 32, 65: 60}


@pytest.mark.parametrize(("patch", "count"), [(17, 2_996_480), (33, 1_616_000), (65, 1_386_624)])
def test_the_papers_networks(patch, count):
    with torch.device("meta"):
        net = PatchNet(patch, PAPER)
        assert net(torch.empty(2, 3, patch, patch)).shape == (2, 128, 1, 1)
    assert sum(parameter.numel() for parameter in net.parameters()) == count
    assert net.field == FIELDS[patch]


@pytest.mark.parametrize(
    ("patch", "sizes"),
    [(17, [12, 8, 4, 1]), (33, [29, 10, 4, 1]), (65, [61, 26, 9, 1, 1])],
)
def test_sizes_between_the_layers(patch, sizes):
    net, found = PatchNet(patch, TINY), []
    feature, position = torch.rand(1, 3, patch, patch), 0
    for item in net.plan:
        if item is None:
            feature = nn.functional.max_pool2d(feature, 2)
        else:
            feature = net.convs[position](feature)
            found.append(feature.shape[-1])
            position += 1
            if position < len(net.convs):
                feature = nn.functional.leaky_relu(feature, 0.005)
    assert found == sizes


@pytest.mark.parametrize("patch", [17, 33, 65])
@pytest.mark.parametrize(
    ("dtype", "tolerance", "size"), [(torch.float32, 1e-5, (41, 37)), (torch.float64, 1e-12, (11, 8))]
)
def test_dense_is_the_patch_form_at_every_pixel(patch, dtype, tolerance, size):
    torch.manual_seed(0)
    net = PatchNet(patch, TINY).to(dtype)
    image = torch.rand(1, 3, *size, dtype=dtype)
    padded = mirror(image, (patch - 1) // 2, (patch - 1) // 2)
    windows = padded.unfold(2, patch, 1).unfold(3, patch, 1)[0].permute(1, 2, 0, 3, 4)
    with torch.no_grad():
        one_by_one = net(windows.flatten(0, 1)).view(*size, -1).permute(2, 0, 1)
        dense = describe(net, image)[0]
    assert dense.shape == (6, *size)
    assert (dense - one_by_one).abs().max() <= tolerance


@pytest.mark.parametrize("patch", [17, 33, 65])
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("stride", [2, 4, 8, 16])
def test_a_coarse_grid_is_every_few_pixels_of_the_dense_one(patch, pooled, stride):
    torch.manual_seed(0)
    net = PatchNet(patch, PatchSettings(width=1 / 32, descriptor=4, pooled=pooled)).double()
    padded = torch.rand(1, 3, 131, 117, dtype=torch.float64)
    with torch.no_grad():
        every, some = net(padded, 1)[..., ::stride, ::stride], net(padded, stride)
    height, width = some.shape[-2:]
    assert min(height, width) >= (117 - net.field) // stride
    assert torch.allclose(some, every[..., :height, :width], atol=1e-12)


@pytest.mark.parametrize("patch", [17, 33, 65])
def test_the_pixels_that_matter_begin_at_the_patchs_first(patch):
    torch.manual_seed(0)
    net = PatchNet(patch, TINY).double()
    image = torch.rand(24, 3, patch, patch, dtype=torch.float64, requires_grad=True)
    net(image).square().sum().backward()
    touched = image.grad.abs().sum((0, 1))
    assert torch.equal(touched.sum(1) > 0, torch.arange(patch) < FIELDS[patch])
    assert torch.equal(touched.sum(0) > 0, torch.arange(patch) < FIELDS[patch])


@pytest.mark.parametrize("patch", [17, 33, 65])
def test_a_shift_of_a_pixel_shifts_the_descriptors_by_a_pixel(patch):
    torch.manual_seed(0)
    net = PatchNet(patch, TINY).double()
    padded = torch.rand(1, 3, 80, 80, dtype=torch.float64)
    with torch.no_grad():
        still, moved = net(padded, 1), net(padded.roll((1, 1), (2, 3))[..., 1:, 1:], 1)
    size = moved.shape[-1] - 1
    assert torch.allclose(moved[..., :size, :size], still[..., :size, :size], atol=1e-12)
    assert not torch.allclose(still[..., 1:, 1:], still[..., :-1, :-1], atol=1e-3)


@pytest.mark.parametrize(("size", "before", "after"), [(9, 4, 3), (40, 32, 32)])
def test_the_border_is_mirrored_as_torch_does(size, before, after):
    image = torch.rand(2, 3, size, size + 2)
    expected = nn.functional.pad(image, (before, after, before, after), mode="reflect")
    assert torch.equal(mirror(image, before, after), expected)


def test_the_border_of_a_small_image_is_mirrored_again_and_again():
    image = torch.arange(3.0).expand(1, 1, 3, 3)
    assert mirror(image, 5, 4)[0, 0, 0].tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert mirror(torch.ones(1, 1, 1, 1), 2, 2).shape == (1, 1, 5, 5)


@pytest.mark.parametrize("patch", [17, 33, 65])
@pytest.mark.parametrize("stride", [1, 4, 8])
@pytest.mark.parametrize("size", [(32, 32), (41, 37)])
def test_the_pixels_that_matter_lie_over_those_they_stand_for(patch, stride, size):
    net = PatchNet(patch, PatchSettings(width=1 / 32, descriptor=4))
    before, after = frame(net, size, stride, centred=True)
    middle = net.field / 2 - before
    assert abs(middle - stride / 2) <= 0.5
    assert after >= 0
    with torch.no_grad():
        shape = describe(net, torch.rand(1, 3, *size), stride, centred=True).shape
    assert shape == (1, 4, *(grid_size(side, stride) for side in size))
