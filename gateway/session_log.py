"""What the log says of sessions: who came, who was refused, who went and why. Bounded, since clients decide how often."""

from collections import Counter
from typing import Any, Final

from runtime import logs

LINES_A_WINDOW: Final = 10
"""Lines of one kind; what is beyond is counted, and the counts are one line when the window is over."""
WINDOW_NS: Final = 1_000_000_000


class SessionLog:
    """``logger`` with the account's name and the session's number bound, and a bound of its own against floods."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._said: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._window_ends_ns = 0

    def info(self, event: str, account: str, session: int, **fields: Any) -> None:
        """A line of what is as it should be."""
        self._say(self._logger.info, event, account, session, fields)

    def warning(self, event: str, account: str, session: int | None = None, **fields: Any) -> None:
        """A line of what an operator may want to look at. Without ``session`` there is none."""
        self._say(self._logger.warning, event, account, session, fields)

    def turn(self, now_ns: int) -> None:
        """To be called now and then: begins the next window when this one is over."""
        if now_ns >= self._window_ends_ns:
            self.close_window()
            self._window_ends_ns = now_ns + WINDOW_NS

    def close_window(self) -> None:
        """Say how many lines of each kind were left out, if any, and count anew."""
        for event, count in self._left_out.items():
            self._logger.warning("log lines left out", of=event, count=count)
        self._said.clear()
        self._left_out.clear()

    def _say(self, write: Any, event: str, account: str, session: int | None, fields: dict[str, Any]) -> None:
        self._said[event] += 1
        if self._said[event] > LINES_A_WINDOW:
            self._left_out[event] += 1
            return
        with logs.bound(account=account, **({} if session is None else {"session": session})):
            write(event, **fields)


def printable(name: bytes) -> str:
    """An account's name as a stranger sent it, without what could fool a terminal."""
    return name.decode("latin-1").encode("unicode_escape").decode()
