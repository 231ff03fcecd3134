"""Drop copies of whole exchanges: all that the journal says of their accounts, once and in order, whatever dies meanwhile."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cli import agree
from cli.chaos_audit import expected
from cli.cluster import Cluster
from cli.drop_copy import drop_copy
from exchange import KEYS, answer, connect, running
from pinion import AsyncDropCopy, Client, DropCopy, LogonRefused, Refused
from pinion.codec import Records, encode
from pinion.protocol import EXECUTION_REPORT, Kind
from pinion.reasons import Reason
from shm.journal import Stream
from shm.records import COMMAND, EVENT
from waiting import wait_until

pytestmark = pytest.mark.slow
COPIES = {"auditor": "key-of-auditor", "warden": "key-of-warden"}
SEES = {"auditor": (0, 1), "warden": (1,)}
DROP_COPIES = [
    {"name": "auditor", "api_key": COPIES["auditor"], "accounts": "all"},
    {"name": "warden", "api_key": COPIES["warden"], "accounts": ["bob"]},
]
RINGS = {"orders": 256, "commands": 256, "events": 256}
SETTINGS: dict[str, Any] = {"matchers": 2, "gateways": 2, "durability": "disk", "rings": RINGS, "drop_copies": DROP_COPIES}
NAMES = pytest.mark.parametrize("name", COPIES)


@pytest.fixture(scope="module")
def exchange() -> Iterator[Cluster]:
    """One for all tests below, of two shards, with small rings: most of what is asked for again lies in the journal alone."""
    with running(**SETTINGS) as cluster:
        yield cluster


def reading(exchange: Cluster, name: str, after: Any = None, gateway: int = 0) -> DropCopy:
    """A reader at a gateway, which lives through restarts that take long on a crowded machine."""
    return DropCopy(exchange.settings.endpoints(gateway)[0], name=name, api_key=COPIES[name], after=after, timeout_s=60)


def trade(exchange: Cluster, times: int = 20) -> None:
    """Orders of both accounts that are accepted, refused, replaced, traded, cancelled, in both shards."""
    with connect(exchange, timeout_s=60) as alice, connect(exchange, "bob", timeout_s=60) as bob:
        for k in range(times):
            for symbol in ("ACME", "GEAR"):
                rests = alice.submit(symbol, "sell", 100, "100.00")
                answer(alice, rests)
                answer(alice, alice.replace(symbol, rests, 90, "100.05"))
                answer(bob, bob.submit(symbol, "buy", 30, "100.05"))
                answer(bob, bob.submit(symbol, "sell", 10, "100.10"))
                answer(bob, bob.submit(symbol, "buy", 10, "100.00", client_order_id=0))
                if k % 2:
                    answer(bob, bob.submit(symbol, "buy", 10, "100.10"))
        for client in (alice, bob):
            _cancel_all(client, exchange.settings.matchers)


def _cancel_all(client: Client, shards: int) -> None:
    """Each shard has its own last report of that."""
    request, ends = client.mass_cancel(), 0
    for report in client.reports(timeout=60):
        ends += report.request_id == request and report.session == client.session and report.last
        if ends == shards:
            return
    raise AssertionError(f"{ends} of {shards} shards have answered")


def journal(exchange: Cluster, shard: int, name: str, after: int = 0) -> Records:
    """What ``name`` must be told of the events of a shard, but for DONE, which no copy is told."""
    events = agree.journal(exchange.settings, Stream.EVENTS, EVENT, shard)
    events = events[events["sequence"] > after]
    parts = [expected(events, shard, account, exchange.settings.instruments) for account in SEES[name]]
    reports = np.concatenate(parts)
    return reports[np.lexsort((reports["liquidity"] == 1, reports["event_sequence"]))]


def hear(copy: DropCopy, exchange: Cluster, name: str, after: tuple[int, int] = (0, 0), found: Any = None) -> list[Records]:
    """What a reader hears, by shard, until it is all that the journal has; fails when it is ever anything else."""
    heard: Records = np.zeros(0, EXECUTION_REPORT) if found is None else found

    def whole() -> list[Records] | None:
        nonlocal heard
        heard = np.concatenate([heard, copy.receive(timeout=0.5)])
        parts = [heard[heard["shard"] == shard] for shard in range(2)]
        wanted = [journal(exchange, shard, name, after[shard]) for shard in range(2)]
        for part, there in zip(parts, wanted, strict=True):
            assert part.tobytes() == there[: len(part)].tobytes() or len(part) > len(there)
        return parts if all(len(a) == len(b) for a, b in zip(parts, wanted, strict=True)) else None

    return wait_until(whole, timeout_s=120, what=f"all that {name} must be told")


@NAMES
def test_complete_against_the_journal(exchange: Cluster, name: str) -> None:
    """Live, two readers at once, one of them at a gateway where nobody trades, and from the first event on: byte for byte what
    the journal's events make for the accounts."""
    first = [len(agree.journal(exchange.settings, Stream.EVENTS, EVENT, shard)) for shard in range(2)]
    with reading(exchange, name) as live, reading(exchange, name, gateway=1) as other:
        trade(exchange)
        heard = hear(live, exchange, name, (first[0], first[1]))
        again = hear(other, exchange, name, (first[0], first[1]))
    assert [a.tobytes() for a in heard] == [b.tobytes() for b in again]
    assert {int(account) for part in heard for account in np.unique(part["account"])} == set(SEES[name])
    with reading(exchange, name, after=0) as late:
        hear(late, exchange, name)


def test_recovery_from_any_event(exchange: Cluster) -> None:
    """A reader that names the last event that it knows, by shard, gets those that follow; a part of them still in the ring,
    most in the journal alone."""
    trade(exchange, 40)
    last = [len(agree.journal(exchange.settings, Stream.EVENTS, EVENT, shard)) for shard in range(2)]
    for share in (1, 3, 7, 10):
        after = last[0] * share // 10, last[1] * share // 10
        with reading(exchange, "auditor", after=after) as copy:
            hear(copy, exchange, "auditor", after)
    with reading(exchange, "auditor", after=max(last) + 10**6) as copy, pytest.raises(Refused, match="events reach") as refused:
        next(copy.reports(timeout=30))
    assert refused.value.reason == Reason.RESEND_OUT_OF_RANGE


def test_nothing_is_lost_or_doubled_when_processes_are_killed() -> None:
    """kill -9 in the middle of a reader's life: it goes on by itself, behind the last event that it had."""
    with running(**SETTINGS) as exchange, reading(exchange, "auditor") as copy:
        heard: Records = np.zeros(0, EXECUTION_REPORT)
        for victims in (["gateway.0"], ["matcher.1"], ["persister", "gateway.0"], ["riskd", "matcher.0"]):
            trade(exchange, 3)
            heard = np.concatenate([heard, copy.receive(timeout=30)])
            for victim in victims:
                exchange.kill(victim)
            exchange.start(victims)
            exchange.wait_ready()
            trade(exchange, 3)
            heard = np.concatenate(hear(copy, exchange, "auditor", found=heard))


def test_a_copy_that_enters_an_order_is_refused(exchange: Cluster) -> None:
    """The gateway says that it only reads, nothing of it is in the journal, and it hears on."""
    with reading(exchange, "warden") as copy:
        before = [len(agree.journal(exchange.settings, Stream.COMMANDS, COMMAND, shard)) for shard in range(2)]
        token = copy._session.outbox.token
        fields = {"price": 10000, "quantity": 10, "side": 0, "type": 1, "time_in_force": 1}
        copy._session.outbox.put(encode(Kind.NEW_ORDER, token, client_order_id=5, request_id=5, instrument=0, **fields))
        with pytest.raises(Refused, match="a drop copy only reads"):
            next(copy.reports(timeout=30))
        assert before == [len(agree.journal(exchange.settings, Stream.COMMANDS, COMMAND, shard)) for shard in range(2)]
        trade(exchange, 1)
        assert len(copy.receive(timeout=30)) > 0


@pytest.mark.parametrize(
    ("name", "key"), [("auditor", COPIES["warden"]), ("auditor", KEYS["alice"]), ("nobody", COPIES["auditor"])]
)
def test_wrong_credentials(exchange: Cluster, name: str, key: str) -> None:
    """Nobody is let on by another's key, nor under a name that there is not."""
    with pytest.raises(LogonRefused, match="bad_credentials"):
        DropCopy(exchange.endpoint, name=name, api_key=key, timeout_s=60)


def test_in_an_event_loop(exchange: Cluster) -> None:
    """As the example says: everything from the beginning, by ``async for``."""
    trade(exchange, 2)

    async def read() -> list[tuple[int, int, int]]:
        found = []
        async with AsyncDropCopy(exchange.endpoint, name="warden", api_key=COPIES["warden"], after=0, timeout_s=60) as copy:
            async for report in copy.reports(timeout=2):
                found.append((report.shard, report.event_sequence, report.account))
        return found

    wanted = [journal(exchange, shard, "warden") for shard in range(2)]
    found = asyncio.run(read())
    for shard in range(2):
        names = ("shard", "event_sequence", "account")
        assert [each for each in found if each[0] == shard] == [tuple(int(r[n]) for n in names) for r in wanted[shard]]


def test_from_the_shell(exchange: Cluster) -> None:
    """A line a report, or an object; the drop copy and its key are the settings' first unless named; what is wrong is said."""
    trade(exchange, 1)
    config = ["--config", str(exchange.settings.path), "--after", "0", "--timeout", "2"]
    done = CliRunner().invoke(drop_copy, config)
    assert done.exit_code == 0, done.output
    wanted = sum(len(journal(exchange, shard, "auditor")) for shard in range(2))
    assert len(done.stdout.splitlines()) == wanted
    assert any(line.startswith("0:") and " bob TRADE ACME order " in line for line in done.stdout.splitlines())
    done = CliRunner().invoke(drop_copy, [*config, "--name", "warden", "--json"])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["account_name"] for each in told} == {"bob"}
    assert {each["kind"] for each in told} == {"accepted", "rejected", "trade", "cancelled", "mass_cancelled"}
    done = CliRunner().invoke(drop_copy, [*config, "--name", "warden", "--api-key", "wrong-key"])
    assert (done.exit_code, done.stderr.count("bad_credentials")) == (1, 1)
    done = CliRunner().invoke(drop_copy, [*config, "--name", "nobody"])
    assert (done.exit_code, done.stderr.count("no API key of drop copy 'nobody'")) == (2, 1)
