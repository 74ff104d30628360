import json

import pytest
from pydantic import BaseModel

from untaught.errors import UntaughtError
from untaught.migrations import migrate, read_card

# Two steps as they would be written: a key renamed, then a unit changed.
STEPS = {
    1: lambda card: {("seconds" if key == "time" else key): value for key, value in card.items()},
    2: lambda card: {**card, "seconds": card["seconds"] / 1000},
}


class Made(BaseModel):
    version: int
    seconds: float


def test_an_old_card_takes_every_step_to_the_present():
    assert migrate({"version": 1, "time": 1500}, "version", 3, STEPS, "card") == {"version": 3, "seconds": 1.5}
    assert migrate({"version": 2, "seconds": 1500}, "version", 3, STEPS, "card") == {"version": 3, "seconds": 1.5}
    card = read_card(b'{"version": 1, "time": 1500}', Made, {"version": (3, STEPS)}, "card")
    assert card == Made(version=3, seconds=1.5)


@pytest.mark.parametrize("version", [4, 0, -1, None, "3", True, 2.0])
def test_a_card_of_another_age_is_refused_and_told_who_reads_it(version):
    card = {"version": version, "seconds": 1, "versions": {"untaught": "9.1"}}
    with pytest.raises(UntaughtError, match=r"3 or older.*\(9\.1\)"):
        migrate(card, "version", 3, STEPS, "card")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "holds no card"),
        (b'{"version": 3, "seconds": "soon"}', "`seconds` is damaged"),
        (json.dumps({"version": 3}).encode(), "`seconds` is damaged"),
    ],
)
def test_what_is_no_card_is_one_clear_error(data, words):
    with pytest.raises(UntaughtError, match=words):
        read_card(data, Made, {"version": (3, STEPS)}, "card")
