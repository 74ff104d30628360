import pytest
import torch

from untaught.maps.score import contrast, maximum, mean, prominence, top_mean

MAP = torch.arange(32.0).view(2, 4, 4)


def test_maximum():
    assert maximum(MAP).tolist() == [15, 31]


def test_mean_of_the_highest():
    assert top_mean(MAP, 0.25).tolist() == [13.5, 29.5]
    assert top_mean(MAP, 1e-6).tolist() == [15, 31]
    assert top_mean(MAP, 1.0).tolist() == [7.5, 23.5]


def test_contrast_forgets_what_is_the_same_everywhere():
    map_ = torch.zeros(1, 10, 10)
    map_[0, 2, 3] = 1.0
    assert contrast(map_, 0.01).item() == pytest.approx(0.99)
    assert contrast(map_ + 5, 0.01).item() == pytest.approx(0.99, abs=1e-5)


def test_prominence_is_of_roots_and_does_not_fade_where_a_defect_is_large():
    assert prominence(MAP[:1] ** 2, 0.25).tolist() == [13.5 - 3]
    map_ = torch.zeros(1, 10, 10)
    map_[:, :7] = 9.0
    assert prominence(map_, 0.01).item() == 3
    assert prominence(map_ - 1e-9, 0.01).isfinite().all()


def test_mean():
    assert mean(MAP).tolist() == [7.5, 23.5]
