"""Collects every message `untaught` raises on purpose from its own source, so that the guide cannot tell of another.

Read are the calls `raise SomethingError(came, expected, fix)`; what is put in at run time stands as `…`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import untaught
from untaught import errors

SOURCE = Path(untaught.__file__).parent
CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, errors.UntaughtError)
}
GAP = "…"


@dataclass(frozen=True, order=True)
class Message:
    """What came, what was expected and what to do, as templates; and the file that says so."""

    kind: str
    came: str
    expected: str
    fix: str
    file: str

    def matches(self, text: str) -> bool:
        """Whether `came` with something put in at each gap is this text."""
        return bool(self.came.replace(GAP, "").strip()) and filled(self.came, text)


def filled(template: str, text: str) -> bool:
    """Whether a template with something put in at each gap is this text."""
    return re.fullmatch(".+".join(map(re.escape, template.split(GAP))), text, re.DOTALL) is not None


def texts() -> set[str]:
    """Everything in the source that a user might read, with its gaps: not only what is raised."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")]
    return {_text(node, {}) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr)} - {GAP}


def messages() -> list[Message]:
    """All messages, sorted; one whose first part is put together elsewhere is left out."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                found |= set(_raised(function, path.relative_to(SOURCE).as_posix()))
    return sorted(found)


def _raised(function: ast.FunctionDef, file: str) -> Iterator[Message]:
    known = _assigned(function)
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES):
            continue
        texts = [_text(argument, known) for argument in node.args]
        came, expected, fix = [*texts, "", "", ""][:3]
        if came.replace(GAP, "").strip():
            yield Message(node.func.id, came, expected, fix, file)


def _assigned(function: ast.FunctionDef) -> dict[str, str]:
    """Local names that hold one text, or one of two."""
    known: dict[str, str] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name):
            known[target.id] = _text(value, known)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=True)
            known |= {name.id: _text(item, known) for name, item in pairs if isinstance(name, ast.Name)}
    return known


def _text(node: ast.expr, known: Mapping[str, str]) -> str:
    """A text with its gaps."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known) + _text(node.right, known)
    if isinstance(node, ast.Name):
        return known.get(node.id, GAP)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return known.get(node.value.id, GAP)
    return GAP


def page() -> str:
    """The list of all messages."""
    lines = [
        "# All messages",
        "",
        "Written by `docs/pages.py` from the source. `…` stands for what is put in: a name, a number, a list. A",
        "command that ends in one of these has exit code 2 and leaves nothing half-written.",
    ]
    every = messages()
    for name, item in CLASSES.items():
        own = [message for message in every if message.kind == name]
        if own:
            lines += ["", f"## {name}", "", (item.__doc__ or "").splitlines()[0], ""]
            lines += list(dict.fromkeys(_line(message) for message in own))
    return "\n".join([*lines, ""])


def _line(message: Message) -> str:
    parts = [f"- **{_escaped(message.came)}**"]
    if message.expected.replace(GAP, "").strip(" ,;"):
        parts.append(f"Expected: {_escaped(message.expected)}.")
    if message.fix.replace(GAP, "").strip(" ,;"):
        parts.append(f"What to do: {_escaped(message.fix)}.")
    return " ".join(parts)


def _escaped(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    for mark in "*_<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text
