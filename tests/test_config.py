from typing import Literal

import pytest
from pydantic import Field

from untaught.config import Frozen, Settings, load_toml, merge, parse_overrides, to_toml, validate
from untaught.errors import ConfigError
from untaught.methods.aand import Aand


def settings(**values):
    return validate(Settings, {"method": "reverse_distillation", "data": "toy", **values})


def test_an_unknown_key_is_named_with_its_path_and_its_neighbour():
    with pytest.raises(ConfigError, match=r"unknown key `cache\.memroy`.*did you mean `memory`"):
        settings(cache={"memroy": 1})


def test_a_wrong_value_is_named():
    with pytest.raises(ConfigError, match=r"`false_reject` is 2"):
        settings(false_reject=2)


def test_settings_survive_toml(tmp_path):
    wanted = settings(model={"width": 32, "levels": [8, 16]}, minutes=2.5)
    (tmp_path / "s.toml").write_text(to_toml(wanted))
    assert validate(Settings, load_toml(tmp_path / "s.toml")) == wanted


def test_overrides_are_toml_values_with_dotted_keys():
    assert parse_overrides(["a.b=1", "a.c=[8, 16]", "d=plain text", "e=true"]) == {
        "a": {"b": 1, "c": [8, 16]},
        "d": "plain text",
        "e": True,
    }


@pytest.mark.parametrize("pair", ["novalue", "=1", "a..b=1"])
def test_a_malformed_override_is_refused(pair):
    with pytest.raises(ConfigError, match="key=value"):
        parse_overrides([pair])


def test_merging_keeps_what_the_later_layer_does_not_name():
    assert merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}) == {"a": {"x": 1, "y": 3}}


def test_kinds_of_anomalies_named_one_by_one_are_one_table():
    given = parse_overrides(["model.anomalies.kinds.perlin=1", "model.anomalies.kinds.scar=2"])
    assert given == {"model": {"anomalies": {"kinds": {"perlin": 1, "scar": 2}}}}


def test_kinds_of_anomalies_that_are_given_replace_the_others():
    joined = merge({"anomalies": {"kinds": {"perlin": 1.0}, "clean": 0.2}}, {"anomalies": {"kinds": {"scar": 1.0}}})
    assert joined == {"anomalies": {"kinds": {"scar": 1.0}, "clean": 0.2}}
    paper = Aand.configure("paper", amplifier={"anomalies": {"kinds": {"scar": 1.0}}})
    assert paper.amplifier.anomalies.kinds == {"scar": 1.0}


def test_toml_errors_name_the_file(tmp_path):
    (tmp_path / "s.toml").write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"s\.toml is not valid TOML"):
        load_toml(tmp_path / "s.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_toml(tmp_path / "missing.toml")


def test_a_setting_of_several_types_is_named_once():
    with pytest.raises(ConfigError) as caught:
        validate(Settings, {"method": "m", "data": "d", "tile": "abc"})
    assert caught.value.came == "settings: `tile` is 'abc'"
    assert caught.value.expected == "a whole number, or 'auto'"
    assert caught.value.fix == "correct `tile`"


def test_a_list_with_a_wrong_item_is_not_called_too_short_besides():
    class Sides(Frozen):
        sides: tuple[Literal[17, 33], ...] = Field(min_length=1)

    with pytest.raises(ConfigError) as caught:
        validate(Sides, {"sides": [18]})
    assert (caught.value.came, caught.value.fix) == ("settings: `sides.0` is 18", "correct `sides.0`")
    with pytest.raises(ConfigError, match=r"`sides` is \[\]"):
        validate(Sides, {"sides": []})


def test_the_settings_that_help_and_messages_recommend_exist(monkeypatch, capsys):
    import re
    import sys

    from untaught.cli.main import main

    with pytest.raises(ConfigError) as caught:
        parse_overrides(["x"])
    monkeypatch.setattr(sys, "argv", ["untaught", "train", "--help"])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        main()
    told = " ".join(f"{caught.value.fix} {capsys.readouterr().out}".split())
    named = re.findall(r"(?:--set|e\.g\.) ([a-z_.]+=\d+)", told)
    assert len(named) == 2
    for pair in named:
        asked = validate(Settings, merge({"method": "reverse_distillation", "data": "toy"}, parse_overrides([pair])))
        assert asked != settings()
