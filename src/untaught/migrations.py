"""Cards of older versions, brought up to date one version at a time.

Whoever changes what a card holds raises the number of its schema and adds the step from the old one, so that what was
written once can be read for ever. A card of a newer schema is never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from untaught.errors import UntaughtError
from untaught.wording import wanted

M = TypeVar("M", bound=BaseModel)
Values = dict[str, Any]
Step = Callable[[Values], Values]


def migrate(values: Values, key: str, current: int, steps: Mapping[int, Step], source: str) -> Values:
    """The values as schema `current` has them.

    Args:
        values: what was read.
        key: where the values keep the number of their schema.
        current: the number this version writes.
        steps: from each older number, what makes the values of the next one of them.
        source: what messages call the card.

    Raises:
        UntaughtError: the schema is newer than `current`, older than any step, or not told.
    """
    version = values.get(key)
    if (
        not isinstance(version, int)
        or isinstance(version, bool)
        or version > current
        or version < min(steps, default=current)
    ):
        wrote = values.get("versions")
        wrote = wrote.get("untaught") if isinstance(wrote, dict) else None
        raise UntaughtError(
            f"{source} has schema version {version}",
            f"{current} or older",
            f"install the version of untaught that wrote it{f' ({wrote})' if isinstance(wrote, str) else ''}",
        )
    for number in range(version, current):
        values = {**steps[number](values), key: number + 1}
    return values


def read_card(data: bytes, model: type[M], schemas: Mapping[str, tuple[int, Mapping[int, Step]]], source: str) -> M:
    """A card from its JSON, migrated and validated.

    Args:
        data: UTF-8 JSON.
        model: what the card must be.
        schemas: for each key that numbers a schema, the current number and the steps to it.
        source: what messages call the card.

    Raises:
        UntaughtError: it is no JSON, of a newer schema or damaged; the message names the key.
    """
    try:
        values = json.loads(data)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UntaughtError(f"{source} cannot be read ({error})", "a card in JSON", "restore the file") from None
    if not isinstance(values, dict):
        raise UntaughtError(f"{source} holds no card", "a JSON object", "restore the file")
    for key, (current, steps) in schemas.items():
        values = migrate(values, key, current, steps, source)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise UntaughtError(
            f"{source}: `{where}` is damaged (wanted: {wanted(dict(first))})", "an unchanged card", "restore the file"
        ) from None
