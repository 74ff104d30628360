import math

import pytest
import torch

from untaught.errors import ConfigError
from untaught.nn.positions import PositionalCode, positional_code


def test_the_first_half_tells_x_and_the_second_y():
    code = positional_code(32, 5, 7)[0]
    assert code.shape == (32, 5, 7)
    for k in range(8):
        turn = 10000 ** (-2 * k / 16)
        assert code[2 * k, 3, 6] == pytest.approx(math.sin(6 * turn), abs=1e-6)
        assert code[2 * k + 1, 3, 6] == pytest.approx(math.cos(6 * turn), abs=1e-6)
        assert code[16 + 2 * k, 3, 6] == pytest.approx(math.sin(3 * turn), abs=1e-6)
        assert code[16 + 2 * k + 1, 3, 6] == pytest.approx(math.cos(3 * turn), abs=1e-6)


def test_four_channels_at_a_time():
    with pytest.raises(ConfigError, match="multiple of 4"):
        positional_code(30, 4, 4)


def test_the_module_follows_the_size_of_the_grid_and_saves_nothing():
    module = PositionalCode(8, (4, 4))
    assert torch.equal(module(torch.rand(2, 3, 4, 4)), positional_code(8, 4, 4).expand(2, -1, -1, -1))
    assert torch.equal(module(torch.rand(1, 3, 5, 6)), positional_code(8, 5, 6))
    assert not module.state_dict()
