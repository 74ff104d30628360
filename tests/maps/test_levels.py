import pytest
import torch

from untaught.maps.levels import PAPER_MAP, LevelMap, MapSettings
from untaught.maps.score import lower_quartile, prominence

SIZES = (16, 8, 4)


def levels(height=1.0, count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [height * (1 + 0.1 * torch.rand(count, size, size, generator=generator)) for size in SIZES]


def make(**settings):
    return LevelMap(MapSettings(**settings), len(SIZES))


def test_the_usual_is_the_mean_lower_quartile_of_good_images_however_they_are_batched():
    good, map_ = levels(count=4), make()
    map_.settle([[level[:3] for level in good], [level[3:] for level in good]])
    torch.testing.assert_close(map_.usual, torch.stack([lower_quartile(level).mean() for level in good]))


def test_what_is_wrong_everywhere_raises_the_score_and_good_images_keep_theirs():
    map_, good = make(), levels()
    map_.settle([good])
    plain = make(foreign=0.0)
    assert torch.equal(map_(good, good, (64, 64))[1], plain(good, good, (64, 64))[1])
    foreign = [9 * level for level in good]  # roots: three times the usual
    raised = map_(foreign, good, (64, 64))[1] - plain(foreign, good, (64, 64))[1]
    assert raised.tolist() == pytest.approx([3.0, 3.0, 3.0], rel=0.1)
    assert "2 times that of good images" in map_.reduction


def test_before_it_has_settled_nothing_is_beyond_the_usual():
    map_, shown = make(votes=()), levels(100.0)
    expected = torch.stack([prominence(level, 0.03) for level in shown]).sum(dim=0)
    torch.testing.assert_close(map_(shown, shown, (64, 64))[1], expected)


@pytest.mark.parametrize("settings", [{"foreign": 0.0}, {"roots": False}, {**PAPER_MAP}])
def test_nothing_is_kept_where_it_is_not_asked_for(settings):
    assert not list(make(**settings).buffers(recurse=False))
    make(**settings).settle([levels()])


def test_smoothing_grows_with_the_input_unless_it_is_told_not_to():
    radii = [LevelMap(MapSettings(sigma=8.0), 3, side).smooth.radius for side in (128, 256, 512)]
    assert radii == [4, 8, 16]
    assert {LevelMap(MapSettings(**PAPER_MAP), 3, side).smooth.radius for side in (128, 256, 512)} == {16}
