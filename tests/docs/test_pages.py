"""The generated pages say what the code says today."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pages
import pytest
from pydantic import Field

from untaught.config import Frozen
from untaught.registry import method_card, method_class, method_idea, method_names


def test_every_page_and_figure_is_current():
    stale = [path.name for path, text in pages.pages().items() if not path.exists() or path.read_text("utf-8") != text]
    assert not stale, "run: python docs/pages.py"


@pytest.mark.parametrize("name", method_names())
def test_a_page_holds_the_whole_card_and_every_setting(name):
    text = (pages.FOLDER / f"{name}.md").read_text("utf-8")
    for line in method_card(name).splitlines()[1:]:
        assert line.strip() in text
    for path, _ in pages.fields(method_class(name).Config):
        assert f"| `{path}` |" in text
    assert method_idea(name)


def test_no_page_is_left_of_a_method_that_is_gone():
    there = {path.stem for path in pages.FOLDER.glob("*.*")} - {"README"}
    assert there == set(method_names())


def test_what_is_written_of_the_repository_exists():
    for path in pages.FOLDER.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


class Inner(Frozen):
    sides: tuple[Annotated[int, Field(ge=0)], int] = (1, 2)
    form: Literal["a", "b"] = "a"


class Outer(Frozen):
    name: Path | None = Field(default=None, description="this | that")
    inner: Inner = Inner()


class Method:
    presets = ("lite", "paper")
    Config = Outer

    @staticmethod
    def configure(preset):
        return Outer(inner=Inner(form="a" if preset == "lite" else "b"))


def test_the_table_of_settings():
    assert pages.settings(Method).splitlines()[2:] == [
        "| `name` | path or nothing | nothing | – | this \\| that |",
        "| `inner.sides` | list of 2 whole number | [1, 2] | – |  |",
        "| `inner.form` | `a` or `b` | `a` | `b` |  |",
    ]


def test_sections_of_a_card():
    card = "Who, where.\n\nIdea\n    One.\n\n    Two.\n\nSymbols\n    x   `y`"
    assert pages.sections(card) == "Who, where.\n\n## Idea\n\nOne.\n\nTwo.\n\n## Symbols\n\n```text\nx   `y`\n```"


def test_results_are_told_and_never_invented(monkeypatch):
    row = {"seeds": [0, 1], "images": 10, "image_auroc": 0.98765, "ms_per_image": 41.6}
    known = {"machine": "a lathe", "methods": {"m": {"parameters": 1, "products": {"bottle": row}}}}
    monkeypatch.setattr(pages, "measured", lambda: known)
    assert "| bottle | 0, 1 | 98.8 | not measured | not measured | not measured | 42 |" in pages.results("m")
    assert "a lathe" in pages.results("m")
    assert "Not measured yet" in pages.results("other")
