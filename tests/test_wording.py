from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from untaught.wording import wanted


class Asked(BaseModel):
    count: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    kind: Literal["conformal", "tail"] = "tail"
    on: bool = True
    levels: tuple[int, ...] = ()
    part: dict[str, int] = {}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("count", "many", "a whole number"),
        ("count", 0, "at least 1"),
        ("count", 10, "at most 9"),
        ("share", 0, "more than 0.0"),
        ("share", 1, "less than 1.0"),
        ("share", "half", "a number"),
        ("kind", "head", "'conformal' or 'tail'"),
        ("on", "perhaps", "true or false"),
        ("levels", 8, "a list"),
        ("part", 8, "keys with values"),
    ],
)
def test_what_was_wanted_is_said_in_the_words_of_the_house(key, value, words):
    with pytest.raises(ValidationError) as caught:
        Asked(**{key: value})
    assert wanted(caught.value.errors()[0]) == words


def test_what_the_house_has_no_words_for_keeps_its_own():
    assert wanted({"type": "value_error", "msg": "Value error, Tiles do not fit"}) == "tiles do not fit"
