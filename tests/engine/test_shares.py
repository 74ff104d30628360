from functools import partial
from threading import Event
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.conftest import SMALL

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.config import Settings
from untaught.engine.features import FeatureCache
from untaught.engine.intake import Intake
from untaught.engine.predict import make_method, run_settings
from untaught.engine.shares import Share, Shares, only
from untaught.engine.train import train
from untaught.errors import ConfigError
from untaught.image import Recipe, Tiling, in_order
from untaught.method import Stage
from untaught.methods.aand import Aand
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


def test_what_a_stage_has_learned_is_in_the_frozen_features_of_the_next(product, tmp_path, monkeypatch):
    seen, frozen = [], Aand.frozen

    def noted(self, image):
        seen.append({name: tensor.clone() for name, tensor in self.amplifier.state_dict(prefix="amplifier.").items()})
        return frozen(self, image)

    monkeypatch.setattr(Aand, "frozen", noted)
    run = train(Settings(method="aand", data=str(product), **SMALL | {"epochs": 1}), tmp_path / "run")
    learned = load_file(run.folder / "weights.safetensors")
    assert list(run.card.training.epochs) == ["amplify", "distil"]
    assert seen
    assert all(torch.equal(learned[name], tensor) for state in seen for name, tensor in state.items())
    begun = make_method(run_settings(run)).amplifier.state_dict(prefix="amplifier.")
    assert not all(torch.equal(learned[name], tensor) for name, tensor in begun.items()), "the first stage learned"


def test_pairs_are_the_same_however_many_threads_draw_them(monkeypatch):
    cache = FeatureCache(6, budget=1e9)
    pixels = torch.stack([torch.full((3, 32, 32), 40 * number, dtype=torch.uint8) for number in range(6)])
    cache.fill(lambda rows: {"image": pixels[list(rows)]}, lambda rows: None, lambda: True)
    share = Share(cache, range(6), range(6), drawer=Drawer(AnomalySettings()), keys=("test",))
    epochs = []
    for workers in (1, 5):
        monkeypatch.setattr("untaught.engine.shares.in_order", partial(in_order, workers=workers))
        epochs.append(list(share.epoch(2, 0, "order")))
    for one, other in zip(*epochs, strict=True):
        assert torch.equal(one.index, other.index)
        assert torch.equal(one.defect, other.defect)
        assert torch.equal(one.mask, other.mask)


def test_the_next_pairs_are_drawn_while_this_batch_is_in_use():
    begun = [Event(), Event()]

    class Drawing(Drawer):
        def __call__(self, image, rng, *rest):
            begun[int(image[0, 0, 0])].set()
            return super().__call__(image, rng, *rest)

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


def test_an_image_is_shown_with_all_its_tiles_or_with_none():
    numbers = range(3 * 5, 7 * 5)  # images 3 to 6 of five tiles each
    share = Share(FeatureCache(20, budget=0), range(20), numbers, largest=20, smallest=20)
    intake = SimpleNamespace(recipe=Recipe(height=64, width=192, tiling=Tiling(side=64, overlap=32)))
    stage = Stage("taught", [], dict, lambda _: None, shown=lambda image: image % 5 == 0)
    shares = Shares(
        Settings(method="dmdd", data="toy"), None, intake, {}, None, lambda _: None, made=(stage, share, share)
    )
    train, monitor = shares.of(stage, {})
    assert intake.recipe.tiles == 5
    assert list(train.numbers) == list(range(25, 30)), "image 5, and not the first tile of each"
    assert monitor.numbers == numbers


def test_what_cannot_be_drawn_is_told_before_an_image_is_read(product, tmp_path, filled):
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    for place, tile, told in (("texture", None, "holds no images"), ("foreground", 64, "cut into tiles")):
        (tmp_path / place).mkdir()
        wanted = {"texture": tmp_path / place} if tile is None else {"foreground": tmp_path / "mask.png"}
        settings = Settings(
            method="dmdd",
            data=str(product),
            tile=tile,
            model={"anomalies": wanted},
            **SMALL | {"image_size": None if tile else 64},
        )
        with pytest.raises(ConfigError, match=told):
            train(settings, tmp_path / "run")
        assert set(filled) <= {"read held-out images"}
        filled.clear()


def test_rows_computed_in_another_precision_lie_in_another_place(monkeypatch, product, tmp_path):
    from untaught.engine import intake

    places = []
    for pays in (False, True):
        monkeypatch.setattr(intake, "bf16_pays", lambda device, pays=pays: pays)
        cache = {"memory": 0.0, "folder": tmp_path / "cache", "keep": True}
        wanted = Settings(method="reverse_distillation", data=str(product), cache=cache, **SMALL | {"epochs": 1})
        train(wanted, tmp_path / f"run-{pays}")
        places.append({path.name for path in (tmp_path / "cache").iterdir()})
    assert places[0] < places[1]
