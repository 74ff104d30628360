from threading import Event

import pytest
import torch
from tests.conftest import SMALL

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.config import Settings
from untaught.engine.features import FeatureCache
from untaught.engine.intake import Intake
from untaught.engine.shares import Share, only
from untaught.engine.train import train
from untaught.run import Run


@pytest.fixture
def filled(monkeypatch):
    """The tasks for which images were decoded."""
    tasks = []
    fill = Intake.fill

    def noted(self, cache, samples, **options):
        tasks.append(options["task"])
        fill(self, cache, samples, **options)

    monkeypatch.setattr(Intake, "fill", noted)
    return tasks


def test_two_stages_that_want_the_same_rows_share_them(product, tmp_path, filled):
    cache = {"memory": 0.0, "folder": tmp_path / "cache"}
    settings = Settings(method="dmdd", data=str(product), cache=cache, **SMALL | {"epochs": 1})
    train(settings, tmp_path / "run")
    assert sorted(filled) == ["read held-out images", "teacher features (monitor)", "teacher features (train)"]
    assert set(Run(tmp_path / "run").card.training.epochs) == {"decouple", "segment"}
    assert not list((tmp_path / "cache").iterdir())


def test_the_next_pairs_are_drawn_while_this_batch_is_in_use():
    begun = [Event(), Event()]

    class Drawing(Drawer):
        def __call__(self, image, rng, others=()):
            begun[int(image[0, 0, 0])].set()
            return super().__call__(image, rng, others)

    cache = FeatureCache(2, budget=1e9)
    pixels = torch.stack([torch.full((3, 32, 32), number, dtype=torch.uint8) for number in range(2)])
    cache.fill(lambda rows: {"image": pixels[list(rows)]}, lambda rows: None, lambda: True)
    share = Share(cache, range(2), range(2), drawer=Drawing(AnomalySettings()), keys=("test",))
    for batch in share.epoch(1, 0):
        assert begun[1 - int(batch.index[0])].wait(timeout=20)
        break


def test_few_images_are_drawn_on_several_times_and_never_alike():
    cache = FeatureCache(3, budget=1e9)
    pixels = torch.stack([torch.full((3, 32, 32), 40 * number, dtype=torch.uint8) for number in range(3)])
    cache.fill(lambda rows: {"image": pixels[list(rows)]}, lambda rows: None, lambda: True)
    share = Share(cache, range(3), range(3), drawer=Drawer(AnomalySettings()), keys=("test",))
    batches = list(share.rounds(7, batch_size=2))
    assert [batch.index.tolist() for batch in batches] == [[0, 1], [2]] * 3
    masks = torch.cat([batch.mask for batch in batches])
    assert len({mask.numpy().tobytes() for mask in masks}) == 9
    share.drawer = None
    assert [batch.index.tolist() for batch in share.rounds(7)] == [[0, 1, 2]]


def test_a_stage_is_shown_only_the_images_it_asks_for_and_all_where_none_would_be_left():
    share = Share(FeatureCache(6, budget=0), range(6), [0, 1, 2, 4, 5, 6], largest=6, smallest=6)
    shown = only(share, lambda number: number % 5 == 0)
    assert (shown.rows, shown.numbers, shown.largest, shown.smallest) == ([0, 4], [0, 5], 2, 2)
    assert only(share, lambda number: number == 3) is share
