import pytest

from untaught.anomalies.draw import DRAW
from untaught.anomalies.settings import KINDS, PAPER, AnomalySettings
from untaught.config import validate
from untaught.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"kinds": {}}, "at least one kind"),
        ({"kinds": {"scar": 0.0}}, "at least one kind"),
        ({"kinds": {"crack": 1.0}}, "kinds.crack"),
        ({"size": (0.5, 0.1)}, "low <= high"),
        ({"size": (0.0, 0.1)}, "size"),
        ({"opacity": (0.2, 1.2)}, "opacity"),
        ({"contrast": (-1, 5)}, "contrast"),
        ({"perlin": {"threshold": 1.0}}, "perlin.threshold"),
        ({"draws": 0}, "draws"),
        ({"colours": (0, 1)}, "colour"),
    ],
)
def test_what_makes_no_sense_is_named(settings, word):
    with pytest.raises(ConfigError, match=word):
        validate(AnomalySettings, settings)


def test_the_published_recipe_has_its_constants():
    paper = AnomalySettings(**PAPER)
    assert (paper.kinds, paper.opacity, paper.augment, paper.least, paper.draws) == (
        {"perlin": 1.0},
        (0.2, 1.0),
        3,
        5,
        11,
    )
    perlin = paper.perlin
    assert (perlin.whole, perlin.octaves, perlin.threshold, perlin.rotation) == (True, (0, 5), 0.5, 90.0)
    assert (paper.foreground, paper.clean, paper.visible) == ("none", 0.0, 0.0)


def test_every_kind_can_be_drawn_and_lengths_and_tones_say_their_unit():
    assert tuple(DRAW) == KINDS
    fields = AnomalySettings.model_fields
    assert all(field.description for name, field in fields.items() if name != "perlin")
    for name, unit in (
        ("size", "share of the image"),
        ("edge", "share of the anomaly"),
        ("contrast", "grey levels"),
        ("visible", "grey levels"),
        ("least", "pixels"),
    ):
        assert unit in fields[name].description, name
