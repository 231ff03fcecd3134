"""What a single setting may be: one small class a kind of value, each able to say in words what it allows.

``read`` takes a value as TOML gives it, ``parse`` one as the environment gives it (text). Both return the value to keep and
raise ``ValueError`` when it is not allowed; the text of that error is never shown, since ``allowed`` says it better.
"""

import os
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

AMOUNT_BOUND: Final = (1 << 62) - 1
"""Of money or lots that an account is given."""


class Rule(Protocol):
    """What a setting allows."""

    @property
    def allowed(self) -> str:
        """What is allowed, as the end of the sentence "allowed is ..."."""

    def read(self, value: object) -> Any:
        """The value to keep, or ``ValueError``."""

    def parse(self, text: str) -> Any:
        """The same from an environment variable."""


def require(condition: object) -> None:
    """Refuse a value unless ``condition`` holds."""
    if not condition:
        raise ValueError


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds, both included."""

    low: int
    high: int
    power_of_two: bool = False

    @property
    def allowed(self) -> str:
        kind = "a power of two" if self.power_of_two else "an integer"
        return f"{kind} from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError
        require(self.low <= value <= self.high)
        require(not self.power_of_two or value & (value - 1) == 0)
        return value

    def parse(self, text: str) -> int:
        return self.read(int(text))


@dataclass(frozen=True, slots=True)
class Limit:
    """A whole number from 0, or the word that says in so many words that there is no limit."""

    high: int

    @property
    def allowed(self) -> str:
        return f'an integer from 0 to {self.high}, or "unlimited"'

    def read(self, value: object) -> int | str:
        return "unlimited" if value == "unlimited" else Integer(0, self.high).read(value)

    def parse(self, text: str) -> int | str:
        return self.read(text if text == "unlimited" else int(text))


@dataclass(frozen=True, slots=True)
class Number:
    """A number with a fraction, within bounds, both included; ``unit`` is for the message."""

    low: float
    high: float
    unit: str

    @property
    def allowed(self) -> str:
        return f"a number of {self.unit} from {self.low:g} to {self.high:g}"

    def read(self, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError
        require(self.low <= value <= self.high)
        return float(value)

    def parse(self, text: str) -> float:
        return self.read(float(text))


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""

    @property
    def allowed(self) -> str:
        return "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    def parse(self, text: str) -> bool:
        require(text in ("true", "false"))
        return text == "true"


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        require(value in self.words)
        return value

    def parse(self, text: str) -> str:
        return self.read(text)


@dataclass(frozen=True, slots=True)
class Words:
    """A list of some of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "a list out of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError
        require(all(word in self.words for word in value))
        return tuple(value)

    def parse(self, text: str) -> tuple[str, ...]:
        return self.read([word.strip() for word in text.split(",") if word.strip()])


@dataclass(frozen=True, slots=True)
class Text:
    """A string that matches ``pattern`` as a whole; ``allowed`` says in words what that means."""

    pattern: str
    allowed: str
    secret: bool = False
    """Never print the value."""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        require(re.fullmatch(self.pattern, value))
        return value

    def parse(self, text: str) -> str:
        return self.read(text)


@dataclass(frozen=True, slots=True)
class Amounts:
    """A table of names, each with a whole number that is not below 0."""

    of: str

    @property
    def allowed(self) -> str:
        return f"a table of {self.of}, from 0 to {AMOUNT_BOUND}"

    def read(self, value: object) -> tuple[tuple[str, int], ...]:
        if not isinstance(value, dict):
            raise ValueError
        return tuple((name, Integer(0, AMOUNT_BOUND).read(amount)) for name, amount in value.items())

    def parse(self, text: str) -> tuple[tuple[str, int], ...]:
        pairs = (item.partition("=") for item in text.split(",") if item.strip())
        return self.read({name.strip(): int(amount) for name, _, amount in pairs})


EVERY_ACCOUNT: Final = ("*",)
"""What the settings make of "all": no account can have that name."""


@dataclass(frozen=True, slots=True)
class AccountNames:
    """A list of names of accounts, each once, or all of them, also those that come later."""

    allowed: str = '"all", or a list of at least one name of an account, each once'

    def read(self, value: object) -> tuple[str, ...]:
        if value == "all":
            return EVERY_ACCOUNT
        if not isinstance(value, list):
            raise ValueError
        require(value and all(isinstance(name, str) and name not in EVERY_ACCOUNT for name in value))
        require(len(set(value)) == len(value))
        return tuple(value)

    def parse(self, text: str) -> tuple[str, ...]:
        return self.read("all" if text == "all" else [item.strip() for item in text.split(",")])


EVERYTHING: Final = EVERY_ACCOUNT
"""What the settings make of "all" instruments."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """A list of symbols of instruments, each once, or all of them, also those that come later."""

    allowed: str = '"all", or a list of symbols of instruments, each once'

    def read(self, value: object) -> tuple[str, ...]:
        return () if value == [] else AccountNames().read(value)

    def parse(self, text: str) -> tuple[str, ...]:
        return AccountNames().parse(text)


@dataclass(frozen=True, slots=True)
class Gateways:
    """A list of numbers of gateways, each once, or all of them, also those that come later."""

    bound: int

    @property
    def allowed(self) -> str:
        return f'"all", or a list of different numbers of gateways from 0 to {self.bound - 1}'

    def read(self, value: object) -> tuple[int, ...]:
        if value == "all":
            return tuple(range(self.bound))
        if not isinstance(value, list):
            raise ValueError
        numbers = tuple(Integer(0, self.bound - 1).read(item) for item in value)
        require(len(set(numbers)) == len(numbers))
        return numbers

    def parse(self, text: str) -> tuple[int, ...]:
        return self.read("all" if text == "all" else [int(item) for item in text.split(",")])


@dataclass(frozen=True, slots=True)
class Cores:
    """A list of processor numbers that this machine has, each once."""

    @property
    def allowed(self) -> str:
        return f"a list of different processor numbers from 0 to {(os.cpu_count() or 1) - 1} (empty: not pinned)"

    def read(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, list):
            raise ValueError
        number = Integer(0, (os.cpu_count() or 1) - 1)
        cores = tuple(number.read(item) for item in value)
        require(len(set(cores)) == len(cores))
        return cores

    def parse(self, text: str) -> tuple[int, ...]:
        return self.read([int(item) for item in text.split(",") if item.strip()])


@dataclass(frozen=True, slots=True)
class Tcp:
    """A ZeroMQ tcp endpoint to bind, or nothing."""

    allowed: str = 'tcp://ADDRESS:PORT with a port from 1 to 65535, or "" (not served)'

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        if value:
            match = re.fullmatch(r"tcp://(?:[A-Za-z0-9_.\-]+|\*|\[[0-9A-Fa-f:.%a-z]+\]):([0-9]{1,5})", value)
            require(match and 1 <= int(match[1]) <= 65535)
        return value

    def parse(self, text: str) -> str:
        return self.read(text)


@dataclass(frozen=True, slots=True)
class Url:
    """A database address that SQLAlchemy takes and Pinion knows how to load. It may hold a password: never print it."""

    allowed: str = "sqlite:///{data}/NAME, sqlite:////ABSOLUTE/PATH or postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"
    secret: bool = True

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        parts = urlsplit(value)
        require(parts.scheme in ("sqlite", "postgresql", "postgresql+psycopg2"))
        require(len(parts.path) > 1)
        # A relative path would be another file in every working directory.
        require(parts.scheme != "sqlite" or (not parts.netloc and parts.path.startswith(("//", "/{data}/"))))
        return value

    def parse(self, text: str) -> str:
        return self.read(text)


@dataclass(frozen=True, slots=True)
class Urls:
    """A list of database addresses, each once."""

    bound: int
    secret: bool = True

    @property
    def allowed(self) -> str:
        return f"a list of up to {self.bound} different addresses, each {Url().allowed} (empty: database.url alone)"

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError
        urls = tuple(Url().read(item) for item in value)
        require(len(urls) <= self.bound and len(set(urls)) == len(urls))
        return urls

    def parse(self, text: str) -> tuple[str, ...]:
        return self.read([item.strip() for item in text.split(",") if item.strip()])
