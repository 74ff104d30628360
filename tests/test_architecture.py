"""The house rules that a test can hold."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import untaught

SOURCE = Path(untaught.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
TORCH_FREE = [
    "report.page", "runtime.predictor", "bundle.signature", "migrations", "inspector", "run",
    "calibration", "render", "regions", "metrics.accumulate", "image", "records",
]  # fmt: skip


@pytest.mark.parametrize("name", TORCH_FREE)
def test_what_the_shop_floor_needs_runs_without_torch(name):
    code = f"""
import sys
for banned in ("torch", "timm", "accelerate", "safetensors", "scipy", "sklearn"):
    sys.modules[banned] = None
import untaught.{name}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_of_the_facade_is_there():
    for name in untaught.__all__:
        assert getattr(untaught, name) is not None
    assert untaught.__all__ == sorted(untaught.__all__, key=str)
    assert dir(untaught) == untaught.__all__
    with pytest.raises(AttributeError, match="nothing"):
        untaught.nothing  # noqa: B018


def test_every_command_has_a_function_of_its_name(tmp_path):
    from untaught.data.toy import Toy

    for name in ("calibrate", "demo", "doctor", "evaluate", "inspect", "list", "report", "train"):
        assert name in untaught.__all__
        assert callable(getattr(untaught, name))
    assert "reverse_distillation" in untaught.list()
    Toy(train=4, test_good=1, test_bad=1, size=32).write(tmp_path / "line")
    assert untaught.doctor(tmp_path / "line").name == "line"
    with pytest.raises(untaught.UntaughtError, match="no run"):
        untaught.report()


def test_the_page_on_the_house_names_every_room_and_the_order_that_is_enforced():
    root = Path(__file__).parents[1]
    page = (root / "ARCHITECTURE.md").read_text("utf-8")
    tree = page.partition("## The tree")[2].partition("##")[0]
    rooms = [path.name + "/" * path.is_dir() for path in SOURCE.iterdir() if path.suffix in ("", ".py")]
    missing = [name for name in rooms if not name.startswith("__") and f" {name} " not in tree]
    assert not missing
    told = re.search(r"^(`cli` >.*?)\.$", page, re.MULTILINE | re.DOTALL).group(1)
    layers = [layer.strip(" `\n") for layer in told.split(">")]
    rules = configparser.ConfigParser()
    rules.read(root / ".importlinter")
    assert layers == rules["importlinter:contract:line"]["layers"].split("\n")[1:]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_has_one_idea(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file says what its one idea is"
    assert text.count("\n") <= 400
    assert path.stem not in {"utils", "common", "helpers", "misc"}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = [
                part for part in node.body if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Constant)
            ]
            assert not body or body[-1].end_lineno - body[0].lineno < 60, f"{node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_unpickled(path):
    text = path.read_text(encoding="utf-8")
    assert "import pickle" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "np.load"}:
            safe = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}[ast.unparse(node.func)]
            assert safe in {(key.arg, getattr(key.value, "value", None)) for key in node.keywords}


def test_every_method_is_listed_and_has_a_card():
    from untaught.registry import class_name, method_card, method_names

    for name in method_names():
        module = importlib.import_module(f"untaught.methods.{name}")
        assert hasattr(module, class_name(name))
        for part in ("Idea", "Symbols", "Preset", "Deviations", "http"):
            assert part in method_card(name)
