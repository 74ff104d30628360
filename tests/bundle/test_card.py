"""A card as this schema's first version wrote it: it is kept, and read for ever."""

import json
from pathlib import Path

import pytest

from untaught.bundle.card import SCHEMA, parse_card
from untaught.run import SCHEMA as RUN_SCHEMA

CARDS = sorted(Path(__file__).parent.glob("card_*.json"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_card_that_was_written_once_is_read(path):
    card = parse_card(path.read_bytes(), str(path))
    assert (card.bundle_version, card.schema_version) == (SCHEMA, RUN_SCHEMA)
    assert card.calibration.image.guaranteed


def test_the_newest_card_kept_here_has_just_the_keys_that_are_written_today():
    """Who adds, renames or drops a key raises the schema, adds a step, and keeps a card of the new schema here too.

    A key too many would be called damage by older versions, in place of naming the version that reads it.
    """
    told = json.loads(CARDS[-1].read_text("utf-8"))
    assert json.loads(parse_card(CARDS[-1].read_bytes(), "card").model_dump_json()) == told
