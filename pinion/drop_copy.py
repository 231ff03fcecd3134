"""Drop copies: sessions that hear what happens to the orders of others, and can enter nothing."""

from collections.abc import Sequence

from pinion.aio import AsyncConnection
from pinion.client import Connection
from pinion.protocol import SHARD_BOUND
from pinion.session import Session


class DropCopy(Connection):
    """Every report of every order of the accounts that the exchange lets ``name`` see. Not thread-safe: one a thread.

    A reader that notes ``event_sequence`` by ``shard`` goes on from there in another life, and misses nothing:

        with DropCopy("ipc:///run/pinion/gateway.0", name="surveillance", api_key="…", after=0) as copy:
            for report in copy.reports():
                print(report.account, report)
    """

    def __init__(
        self,
        endpoint: str,
        *,
        name: str,
        api_key: str,
        after: int | Sequence[int] | None = None,
        timeout_s: float = 5.0,
        heartbeat_s: float = 5.0,
    ) -> None:
        """Connects and logs on. Raises LogonRefused, or Timeout when nothing answers at ``endpoint``.

        ``after``: by shard the event of which every report is known (one number: of every shard; missing: 0): all later ones
        come, with 0 all that there are. None: from now on. Where they are not to be had, ``reports`` raises Refused with
        RESEND_OUT_OF_RANGE.
        """
        super().__init__(endpoint, Session(name, api_key, heartbeat_s, by_shard(after)), timeout_s)


class AsyncDropCopy(AsyncConnection):
    """The same in an event loop.

    async with AsyncDropCopy("ipc:///run/pinion/gateway.0", name="surveillance", api_key="…", after=0) as copy:
        async for report in copy.reports():
            print(report.account, report)
    """

    def __init__(
        self,
        endpoint: str,
        *,
        name: str,
        api_key: str,
        after: int | Sequence[int] | None = None,
        timeout_s: float = 5.0,
        heartbeat_s: float = 5.0,
    ) -> None:
        """Does nothing yet: ``connect`` does, or ``async with``. See ``DropCopy``."""
        super().__init__(endpoint, Session(name, api_key, heartbeat_s, by_shard(after)), timeout_s)


def by_shard(after: int | Sequence[int] | None) -> list[int] | None:
    """One event sequence for each shard that there can be. Raises ValueError where one is below 0 or there are too many."""
    if after is None:
        return None
    given = [after] * SHARD_BOUND if isinstance(after, int) else list(after)
    if not 0 < len(given) <= SHARD_BOUND or min(given) < 0:
        raise ValueError(f"after = {after!r}: allowed is a sequence from 0 on, or 1 to {SHARD_BOUND} of them, one a shard")
    return given + [0] * (SHARD_BOUND - len(given))
