"""Values of riskd's controls in words, and words as values."""

from collections.abc import Sequence
from typing import Final

import click

from runtime.settings import Settings
from shm.controls import PERMIT_BITS, UNLIMITED, WORDS, Control, Kill, Permit, Reference, all_of, bits_of, words_of
from shm.records import GATEWAY_BOUND

PERMITS: Final = tuple(each.name.lower() for each in Permit)
REFERENCES: Final = tuple(each.name.lower() for each in Reference)
ALL_OR_NONE: Final = ("none", "all")


def word(name: str, value: int, settings: Settings) -> str:
    """A control's value for people."""
    if name == "kill":
        return Kill(value).name.lower()
    if name == "latch":
        return "latched" if value else "released"
    if name == "collar_reference":
        return REFERENCES[value]
    if name == "allowed_instruments":
        return "all" if value else "those named"
    if name == "instrument":
        number = value >> PERMIT_BITS
        symbol = settings.instruments[number].symbol if number < len(settings.instruments) else str(number)
        return f"{symbol}={PERMITS[value & 3]}"
    if name == "allowed_gateways":
        return ",".join(str(each) for each in range(GATEWAY_BOUND) if value >> each & 1) or "none"
    if Control[name.upper()] in WORDS:
        return ",".join(words_of(Control[name.upper()], value)) or "none"
    return "unlimited" if value == UNLIMITED else str(value)


def value_of(name: str, text: str, settings: Settings) -> int | str:
    """What riskd is asked to set; what it knows better is left to it. Raises UsageError with what is allowed."""
    if text == "settings" or name.upper() not in Control.__members__:
        return text
    if name == "group":
        names = [group.name for group in settings.groups]
        return 0 if text == "none" else _one_of(name, text, names) + 1
    if name == "collar_reference":
        return _one_of(name, text, REFERENCES)
    if name == "allowed_instruments":
        return _one_of(name, text, ALL_OR_NONE)
    if name == "instrument":
        symbol, _, permit = text.partition("=")
        number = _one_of(name, symbol, [item.symbol for item in settings.instruments])
        return number << PERMIT_BITS | _one_of(f"{name} {symbol} =", permit, PERMITS)
    if name == "allowed_gateways":
        known = tuple(str(each) for each in range(GATEWAY_BOUND))
        return sum(1 << int(each) for each in _some(name, text, known))
    if Control[name.upper()] in WORDS:
        control = Control[name.upper()]
        return bits_of(control, _some(name, text, words_of(control, all_of(control))))
    return int(text) if text.lstrip("-").isdigit() else text


def _one_of(name: str, text: str, known: Sequence[str]) -> int:
    if text not in known:
        raise click.UsageError(f"{name} {text}: allowed is one of {', '.join(known) or 'none, for there are none'}")
    return list(known).index(text)


def _some(name: str, text: str, known: Sequence[str]) -> set[str]:
    words = known if text == "all" else () if text == "none" else text.split(",")
    wrong = [each for each in words if each not in known]
    if wrong:
        raise click.UsageError(f"{name} {wrong[0]}: allowed are all, none, or some of {','.join(known)}")
    return set(words)
