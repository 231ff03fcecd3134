"""What can go wrong for a client. Every exception of this package, plain ValueErrors apart, derives from PinionError."""

from pinion.protocol import Kind
from pinion.reasons import Reason, name_of


class PinionError(Exception):
    """Anything that the exchange, or the way to it, did not let happen."""


class Timeout(PinionError, TimeoutError):  # noqa: N818 - the word a trader expects
    """The exchange did not answer in time. What was sent may or may not have arrived."""


class Refused(PinionError):  # noqa: N818
    """The gateway refused a message. ``offset`` is where in the frame; that message and all after it were dropped."""

    def __init__(self, message: int, reason: int, offset: int, text: str, request_id: int = 0) -> None:
        name = Kind(message).name if message in Kind.__members__.values() else f"message {message}"
        super().__init__(f"{name} refused at byte {offset} of its frame: {name_of(reason)}" + (f" ({text})" if text else ""))
        self.message = message
        self.reason: int = reason
        self.offset = offset
        self.text = text
        self.request_id = request_id


class LogonRefused(Refused):
    """The exchange does not let this account on: ``reason`` is BAD_CREDENTIALS, TOO_MANY_SESSIONS, SHUTTING_DOWN …"""


class UnknownSymbol(PinionError, KeyError):  # noqa: N818
    """No instrument of that name is traded here."""

    def __init__(self, symbol: str, known: list[str]) -> None:
        super().__init__(symbol)
        self._sentence = f"no instrument {symbol!r}; there are: {', '.join(sorted(known)) or 'none'}"

    def __str__(self) -> str:
        return self._sentence


class OffTick(PinionError, ValueError):  # noqa: N818
    """A price off its tick, a quantity off its lot, or either past what 64 bits hold: it was not sent."""


__all__ = ["LogonRefused", "OffTick", "PinionError", "Reason", "Refused", "Timeout", "UnknownSymbol"]
