"""What a value should have been, in words: the names pydantic gives its complaints, said as the house says things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
    "missing": "a value",
    "extra_forbidden": "no such key",
}


def wanted(item: Mapping[str, Any]) -> str:
    """What one entry of `ValidationError.errors()` asks for; in pydantic's words where the house has none."""
    if item["type"] in _WORDS:
        return _WORDS[item["type"]].format(**item.get("ctx", {}))
    text = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return text[:1].lower() + text[1:]
