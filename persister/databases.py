"""The processes of all databases, one each, as the persister looks after them."""

import time
from typing import Any, Final

from persister.database_child import DatabaseChild
from persister.database_link import DatabaseState
from runtime.settings import Settings

_FROM_GOOD_TO_BAD: Final = (DatabaseState.FOLLOWING, DatabaseState.STARTING, DatabaseState.TROUBLE, DatabaseState.UNFIT)


class Databases:
    """One child for each database of the settings. Each has its own pace: one that is down holds no other back."""

    def __init__(self, settings: Settings, logger: Any) -> None:
        self.children = [DatabaseChild(settings, logger, part) for part in range(len(settings.database_urls))]
        self._shards, self._settle_s = settings.matchers, settings.database.settle_s
        self._seen = self._settled = [(0, 0)] * settings.matchers
        self._settle_at_s = 0.0

    def allow(self, shard: int, commands: int, events: int) -> None:
        """The journal of ``shard`` may be read up to these sequences."""
        for child in self.children:
            child.link.allow(shard, commands, events)

    def tend(self) -> None:
        """Look after each; to be called some hundred times a second."""
        for child in self.children:
            child.tend()
        self._settle(time.monotonic())

    def finish(self, bound_s: float) -> bool:
        """Let each reach the end of the journal, all of them within ``bound_s``, and end them. Whether all got there."""
        end = time.monotonic() + bound_s
        for child in self.children:
            child.link.ask_to_stop()
        return all([child.finish(max(0.0, end - time.monotonic())) for child in self.children])  # noqa: C419 - every one

    def settled(self, shard: int) -> tuple[int, int]:
        """The last command and event of ``shard`` that every database has had for a while: none needs the journal before them.

        A commit is not waited for until it is on the database's disk, so one that crashes may forget the latest. PostgreSQL
        writes its log within a second, Linux the files of SQLite within half a minute.
        """
        return self._settled[shard]

    def _done(self) -> list[tuple[int, int]]:
        """What every database has committed, by shard."""
        links = [child.link for child in self.children]
        of_shard = ([(link.commands_done(shard), link.events_done(shard)) for link in links] for shard in range(self._shards))
        return [(min(each[0] for each in done), min(each[1] for each in done)) for done in of_shard]

    def _settle(self, now_s: float) -> None:
        """What was committed when this was looked at last is settled by now, if it still is."""
        if now_s >= self._settle_at_s:
            now = self._done()
            self._settled = [(min(b[0], n[0]), min(b[1], n[1])) for b, n in zip(self._seen, now, strict=True)]
            self._seen, self._settle_at_s = now, now_s + self._settle_s

    @property
    def backlog(self) -> int:
        """Events that the database that is furthest behind does not have yet."""
        return max(child.link.backlog(self._shards) for child in self.children)

    @property
    def failures(self) -> int:
        """Attempts that have failed, of all."""
        return sum(child.link.failures for child in self.children)

    def status(self) -> dict[str, Any]:
        """The database that is worst off; of several, each is in ``databases``."""
        of_all = [child.status() for child in self.children]
        badness = [(_FROM_GOOD_TO_BAD.index(child.link.state), child.link.backlog(self._shards)) for child in self.children]
        worst = of_all[badness.index(max(badness))]
        return worst if len(of_all) == 1 else {**worst, "backlog": self.backlog, "databases": of_all}
