"""Drawn defects of a batch: the same from the same keys, and none where nobody looks."""

import numpy as np
import torch

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.data.toy import draw
from untaught.engine.pairs import draw_pairs, to_pixels

IMAGES = torch.from_numpy(np.stack([draw([0, 0, n], 64)[0] for n in range(4)])).permute(0, 3, 1, 2)
DRAWER = Drawer(AnomalySettings(clean=0.0))


def pairs(numbers, inside=None):
    everything = to_pixels(IMAGES)
    return draw_pairs(DRAWER, IMAGES, numbers, ("key",), lambda n: everything[n % 4], inside)


def test_a_pair_depends_on_keys_and_number_alone():
    first, second = pairs([3, 1, 2, 0]), pairs([3, 1, 7, 0])
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one[[0, 1, 3]], two[[0, 1, 3]])
    assert not torch.equal(first[0][2], second[0][2])


def test_nothing_is_drawn_outside_the_region():
    inside = torch.zeros(4, 1, 64, 64, dtype=torch.bool)
    inside[..., :32] = True
    defects, masks = pairs([0, 1, 2, 3], inside)
    freely, everywhere = pairs([0, 1, 2, 3])
    assert everywhere[..., 32:].any(), "else this test says nothing"
    assert not masks[..., 32:].any()
    assert torch.equal(defects[..., 32:], IMAGES[..., 32:].float() / 255)
    assert torch.equal(defects[..., :32], freely[..., :32])
