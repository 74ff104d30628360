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
    _, everywhere = pairs([0, 1, 2, 3])
    assert everywhere[..., 32:].any(), "else this test says nothing"
    assert not masks[..., 32:].any()
    assert torch.equal(defects[..., 32:], IMAGES[..., 32:].float() / 255)
    whole = pairs([0, 1, 2, 3], torch.ones_like(inside))
    assert all(torch.equal(*two) for two in zip(whole, pairs([0, 1, 2, 3]), strict=True)), "everywhere is no region"


def test_in_a_narrow_region_every_image_still_gets_a_defect():
    inside = torch.zeros(4, 1, 64, 64, dtype=torch.bool)
    inside[:, :, 2:6] = inside[..., 2:6] = True
    for turn in range(8):
        numbers = [4 * turn + n for n in range(4)]
        defects, masks = pairs(numbers, inside)
        assert not (masks & ~inside).any()
        assert masks.flatten(1).any(dim=1).all()
        assert ((defects * 255).round().byte() != IMAGES).any(dim=1, keepdim=True)[masks].all()


def test_where_nothing_is_looked_at_nothing_is_drawn():
    inside = torch.ones(4, 1, 64, 64, dtype=torch.bool)
    inside[2] = False
    _, masks = pairs([0, 1, 2, 3], inside)
    assert masks.flatten(1).any(dim=1).tolist() == [True, True, False, True]
