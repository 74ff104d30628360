import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from untaught.maps.smooth import Smooth, gaussian_kernel, mirrored


@pytest.mark.parametrize(("size", "sigma"), [((256, 256), 4.0), ((40, 56), 1.3), ((5, 9), 4.0), ((1, 1), 2.0)])
def test_equal_to_scipy_borders_included(size, sigma):
    values = np.random.default_rng(0).random((2, *size), dtype=np.float32) * 6
    ours = Smooth(sigma)(torch.from_numpy(values)).numpy()
    theirs = np.stack([gaussian_filter(one, sigma) for one in values])
    assert np.abs(ours - theirs).max() < 1e-4


def test_kernel_of_the_paper():
    kernel = gaussian_kernel(4.0)
    assert len(kernel) == 33
    assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(kernel, kernel.flip(0))


def test_mirror_goes_on_beyond_the_other_border():
    assert mirrored(3, 2).tolist() == [1, 0, 0, 1, 2, 2, 1]
    for size, radius in ((2, 5), (7, 3), (1, 4), (5, 12)):
        assert mirrored(size, radius).tolist() == np.pad(np.arange(size), radius, mode="symmetric").tolist()


def test_a_constant_stays_and_nothing_is_done_at_0():
    assert torch.allclose(Smooth(4.0)(torch.full((1, 50, 20), 3.5)), torch.full((1, 50, 20), 3.5))
    map_ = torch.rand(1, 4, 4)
    assert Smooth(0.0)(map_) is map_


def test_exportable():
    map_ = torch.rand(2, 64, 64)
    program = torch.export.export(Smooth(2.0), (map_,))
    assert torch.allclose(program.module()(map_), Smooth(2.0)(map_), atol=1e-6)
