"""What the guide lists as messages is what users see."""

import messages
import pytest

from untaught.config import Settings, validate
from untaught.data.folder import open_dataset
from untaught.errors import UntaughtError
from untaught.image import read_mask
from untaught.registry import method_class
from untaught.run import Run

EVERY = messages.messages()


def test_all_kinds_of_errors_are_there_and_each_says_what_to_do_or_expect():
    assert {message.kind for message in EVERY} >= {"ConfigError", "DataError", "ImageError", "RunError", "WeightsError"}
    assert len(EVERY) > 80
    silent = [message for message in EVERY if not message.expected and not message.fix]
    assert not silent, "a message says what was expected or what to do"


@pytest.mark.parametrize(
    "provoke",
    [
        lambda folder: open_dataset(folder / "nothing"),
        lambda folder: open_dataset(folder),
        lambda folder: Run(folder / "nothing"),
        lambda folder: method_class("revers"),
        lambda folder: read_mask(folder / "none.png"),
    ],
)
def test_a_message_that_is_raised_is_listed(tmp_path, provoke):
    with pytest.raises(UntaughtError) as caught:
        provoke(tmp_path)
    kinds = {item.__name__ for item in type(caught.value).__mro__}
    assert any(message.kind in kinds and message.matches(caught.value.came) for message in EVERY), caught.value


def test_a_gap_stands_for_anything():
    message = messages.Message("DataError", "… of … images", "", "", "")
    assert message.matches("3 of 7 images")
    assert not message.matches("3 images of 7")
    assert not messages.Message("DataError", "…", "", "", "").matches("anything")


def test_the_page_escapes_what_markdown_would_take_for_marks():
    line = messages._line(messages.Message("DataError", "test/<defect> has *", "[x, y].", "", ""))
    assert line == "- **test/\\<defect\\> has \\*** Expected: \\[x, y\\]."


def test_settings_name_what_is_wrong():
    with pytest.raises(UntaughtError, match="unknown key"):
        validate(Settings, {"method": "m", "data": "d", "epoch": 3})
