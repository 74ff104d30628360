import pytest
from tests.conftest import SMALL

from untaught.config import Settings
from untaught.engine.intake import Intake
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
