"""File name -> method. Nothing is imported until a method is asked for, so that listing stays fast.

A method of this package is a file in `untaught/methods`; a third party adds one by an entry point in the group
`untaught.methods`, whose name is the method's name and whose value is its class.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import json
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from untaught.errors import ConfigError

PACKAGE = "untaught.methods"


def method_names() -> list[str]:
    """Names of all methods that can be trained, sorted."""
    return sorted({*_own(), *_foreign()})


def method_class(name: str) -> Any:
    """The class of the method called `name`.

    Raises:
        ConfigError: there is no such method; the message names the nearest ones.
    """
    if name in _own():
        module = importlib.import_module(f"{PACKAGE}.{name}")
        return getattr(module, class_name(name))
    if name in _foreign():
        return _foreign()[name].load()
    near = difflib.get_close_matches(name, method_names(), n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `untaught list`"
    raise ConfigError(f"there is no method called {name!r}", "one of " + ", ".join(method_names()), hint)


def class_name(name: str) -> str:
    """`reverse_distillation` -> `ReverseDistillation`."""
    return "".join(part.capitalize() for part in name.split("_"))


def method_card(name: str) -> str:
    """The docstring of the method's module, read without importing it; empty for a method of a third party."""
    return ast.get_docstring(_tree(name)) or ""


def method_idea(name: str) -> str:
    """The first line of the docstring of the method's class, read as its card is."""
    classes = (node for node in _tree(name).body if isinstance(node, ast.ClassDef) and node.name == class_name(name))
    told = next((ast.get_docstring(node) for node in classes), None) or ""
    return told.partition("\n")[0].partition("; see ")[0].rstrip(".")


def measured() -> dict[str, Any]:
    """What `benchmarks/results.py` measured, by method and product, and on which machine; empty where it did not."""
    found: dict[str, Any] = json.loads(files("untaught").joinpath("measured.json").read_text("utf-8"))
    return found


def _tree(name: str) -> ast.Module:
    if name not in _own():
        return ast.Module([], [])
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return ast.parse((Path(spec.submodule_search_locations[0]) / f"{name}.py").read_text(encoding="utf-8"))


def _own() -> list[str]:
    spec = importlib.util.find_spec(PACKAGE)
    paths = spec.submodule_search_locations if spec else None
    return [item.name for item in pkgutil.iter_modules(paths or [])]


def _foreign() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=PACKAGE)}
