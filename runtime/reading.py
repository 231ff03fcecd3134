"""From tables and environment variables to checked values: collects every problem instead of stopping at the first."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields
from typing import Any, Final, TypeVar

from runtime.rules import Rule, Text

Section = TypeVar("Section")
MISSING: Final = object()
API_KEY: Final = Text(r"[\x21-\x7e]{8,128}", "8 to 128 printable characters without spaces", secret=True)


def rules_of(section: type) -> dict[str, Rule]:
    """Key → what it may be, for every field of a section that the file may give."""
    return {item.name: item.metadata["rule"] for item in fields(section) if "rule" in item.metadata}


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of ``words`` that ``word`` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)), None)


def unknown(where: str, key: str, known: Iterable[str]) -> str:
    """The problem of a key that does not exist, with the likely one, or all of them."""
    known = sorted(known)
    guess = nearest(key, known)
    hint = f'did you mean "{guess}"?' if guess else f"known are {', '.join(known)}"
    return f"{where}{key}: unknown key; {hint}"


class Reader:
    """Reads sections and remembers what was wrong. A value that is not allowed is left out, so that checks go on."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def values(self, section: type, table: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, Any]:
        """The allowed values out of ``table`` and of the variables ``prefix + KEY``, which win; ``where`` ends in a dot."""
        rules = rules_of(section)
        self.problems += [unknown(where, key, rules) for key in table if key not in rules]
        read = {key: self._value(rule, key, table, where, prefix) for key, rule in rules.items()}
        return {key: value for key, value in read.items() if value is not MISSING}

    def table(self, value: object, where: str) -> Mapping[str, Any]:
        """``value`` if it is a table, else a problem and an empty one."""
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where} = {value!r}: allowed is a table, [{where}]")
        return {}

    def rows(self, section: type[Section], value: object, where: str) -> list[Section]:
        """One ``section`` for each of the tables in a list; those with a problem are left out."""
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.problems.append(f"{where} = {value!r}: allowed is a list of tables, each [[{where}]]")
            return []
        read = (self._row(section, row, f"{where}[{index}].") for index, row in enumerate(value))
        return [row for row in read if row is not None]

    def _value(self, rule: Rule, key: str, table: Mapping[str, Any], where: str, prefix: str) -> Any:
        variable = prefix + key.upper()
        try:
            if prefix and variable in self.environ:
                return rule.parse(self.environ[variable])
            return rule.read(table[key]) if key in table else MISSING
        except ValueError:
            self._refused(rule, key, table, where, variable if prefix else "")
            return MISSING

    def _refused(self, rule: Rule, key: str, table: Mapping[str, Any], where: str, variable: str) -> None:
        from_environment = variable in self.environ
        name = f"{where}{key} (from {variable})" if from_environment else where + key
        value = self.environ[variable] if from_environment else table[key]
        shown = "(not shown)" if getattr(rule, "secret", False) else _shown(value)
        self.problems.append(f"{name} = {shown}: allowed is {rule.allowed}")

    def _row(self, section: type[Section], row: dict[str, Any], where: str) -> Section | None:
        before = len(self.problems)
        row = self._hashed(row, where) if "api_key_sha256" in rules_of(section) else row
        values = self.values(section, row, where)
        self.problems += [
            f"{where}{item.name}: missing; allowed is {item.metadata['rule'].allowed}"
            for item in fields(section)  # type: ignore[arg-type]
            if _is_required(item) and item.name not in row
        ]
        return section(**values) if len(self.problems) == before else None

    def _hashed(self, row: dict[str, Any], where: str) -> dict[str, Any]:
        """An account with ``api_key`` replaced by its hash: the key itself goes no further than here."""
        if ("api_key" in row) == ("api_key_sha256" in row):
            self.problems.append(f"{where}api_key: give either api_key or api_key_sha256, one of the two")
        if "api_key" not in row:
            return row
        rest = {key: value for key, value in row.items() if key != "api_key"}
        key = self._value(API_KEY, "api_key", row, where, "")
        return rest if key is MISSING else {"api_key_sha256": hashlib.sha256(key.encode()).hexdigest(), **rest}


def _is_required(item: "Field[Any]") -> bool:
    return "rule" in item.metadata and item.default is NO_DEFAULT


def _shown(value: object) -> str:
    """A value as TOML would write it, near enough."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
