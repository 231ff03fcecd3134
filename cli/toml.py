"""Write a settings file: the little of TOML that settings need. (The standard library reads TOML but does not write it.)"""

import json
from typing import Any


def dumps(document: dict[str, Any]) -> str:
    """``document`` as TOML: plain values first, then tables, then arrays of tables; values are strings, numbers, booleans and
    lists of them, which TOML writes as JSON does; within a table, tables of them too."""
    plain = {key: value for key, value in document.items() if not _is_table(value) and not _is_tables(value)}
    text = _pairs(plain)
    for key, value in document.items():
        if _is_table(value):
            text += f"\n[{key}]\n{_pairs(value)}"
        elif _is_tables(value):
            text += "".join(f"\n[[{key}]]\n{_pairs(each)}" for each in value)
    return text


def _pairs(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: Any) -> str:
    """Keys of an inner table are quoted, for a symbol may have a dot."""
    if not _is_table(value):
        return json.dumps(value)
    return "{" + ", ".join(f"{json.dumps(key)} = {json.dumps(each)}" for key, each in value.items()) + "}"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
