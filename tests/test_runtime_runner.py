"""The duty cycle in one process: the order of looking, parking and waking, with a scripted agent."""

import os
import threading

import pytest
import structlog
import zmq
from numba import njit

from runtime.agent import Agent
from runtime.compiling import WORDS
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus, StopRequested
from runtime.idle import STRATEGIES, YIELD_NS
from runtime.notify import Notifier
from runtime.runner import Runner
from runtime.settings import load
from runtime.streams import gating, neighbours, streams, writer_of
from runtime.watcher import Watcher
from shm.doorbell import BELLS, LINE, PARKED, Doorbells, bell_of
from shm.durable import STATE, JournalState
from shm.segment import unlink
from waiting import wait_until

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def environ(tmp_path):
    """Variables of an engine of this test's own, whose segments are gone afterwards."""
    instance = f"t{os.getpid()}xr"
    yield {"PINION_INSTANCE": instance, "PINION_DATA": str(tmp_path), "PINION_CONTROL_ATTACH_S": "0.1"}
    for name in os.listdir("/dev/shm"):
        if name.startswith(instance + "-"):
            unlink("/" + name)


@pytest.fixture(autouse=True)
def duties_after_every_slice(monkeypatch):
    """So that a stop request is seen in the very slice."""
    monkeypatch.setattr("runtime.runner.DUTY_INTERVAL_NS", 0)


@pytest.fixture
def context(environ):
    """The surroundings of a persister that parks as soon as it can."""
    context = Context(load(None, {**environ, "PINION_PERSISTER_IDLE": "park"}), "persister")
    yield context
    context.close()


REHEARSAL = ["announce", ("ring", bell_of("persister")), "leave"]
"""What each run begins with, after one slice."""


class Scripted(Agent):
    """Does the amounts of work of a list, one a slice, and asks to be stopped after the last. An amount may be a function."""

    name, wakes = "persister", ("riskd", "matcher.0")

    def __init__(self, context, script):
        self.context, self.script, self.seen = context, list(script), []
        self.rehearsed = False

    def do_work(self):
        if not self.rehearsed:
            self.rehearsed = True
            return 0
        step = self.script.pop(0) if self.script else 0
        if not self.script:
            self.context.request_stop("script over")
        did = step() if callable(step) else step
        self.seen.append(did)
        return did

    def close(self):
        self.seen.append("closed")


class RecordedBells:
    """Doorbells that write down what is done with them, and never sleep."""

    def __init__(self, parked=()):
        self.done, self.words = [], bytearray(BELLS * LINE * 8)
        flags = memoryview(self.words).cast("q")
        for process in parked:
            flags[bell_of(process) * LINE + PARKED] = 1
        self.words = flags

    def announce(self, bell):
        self.done.append("announce")
        return 7

    def wait(self, bell, announced, timeout_s):
        assert (announced, 0 < timeout_s < 1) == (7, True)
        self.done.append("wait")

    def leave(self, bell):
        self.done.append("leave")

    def ring(self, bell):
        self.done.append(("ring", bell))


def _run(context, script, bells):
    vars(context)["doorbells"] = bells
    agent = Scripted(context, script)
    Runner(agent, context, Notifier("")).run()
    assert bells.done[:3] == REHEARSAL
    del bells.done[:3]
    return agent


def test_process_sleeps_only_after_looking_again_with_the_bell_announced(context):
    """Empty slice, announce, one more empty slice, then the wait. Never the wait alone."""
    bells = RecordedBells()
    agent = _run(context, [0, 0, 0, 0], bells)
    assert bells.done == ["announce", "wait"] * 2
    assert agent.seen == [0, 0, 0, 0, "closed"]


def test_work_that_came_between_looking_and_announcing_is_not_slept_through(context):
    """The second look finds it: the announcement is taken back."""
    bells = RecordedBells()
    _run(context, [0, 3, 0, 0], bells)
    assert bells.done == ["announce", "leave", "announce", "wait"]
    assert context.counters.as_dict()["messages"] == 3
    assert context.counters.as_dict()["parked"] == 1


def test_only_neighbours_that_sleep_are_woken_and_only_after_work(context):
    """riskd sleeps, the matcher does not: one ring for each slice that did something."""
    bells = RecordedBells(parked=["riskd"])
    _run(context, [1, 1], bells)
    assert bells.done == [("ring", bell_of("riskd"))] * 2


def test_agent_that_waits_inside_a_slice_wakes_those_it_waits_for(context):
    """``relax``: neighbours rung, heartbeat kept, and told when to give up."""
    told = []
    bells = RecordedBells(parked=["matcher.0"])
    _run(context, [lambda: told.append(context.relax()) or 0, 0], bells)
    assert told == [False]
    assert bells.done[0] == ("ring", bell_of("matcher.0"))
    assert context.relax() is True


def test_draining_goes_on_until_the_agent_has_passed_everything_on(context):
    """Slices after the stop request, until ``drained``."""
    vars(context)["doorbells"] = RecordedBells()
    agent = Scripted(context, [1])
    amounts = iter((5, 0, 5))
    left = [3]

    def do_more():
        left[0] -= 1
        return next(amounts)

    agent.script = [lambda: context.request_stop("now") or 1, do_more, do_more, do_more]
    agent.drained = lambda: left[0] == 0
    Runner(agent, context, Notifier("")).run()
    assert agent.seen == [1, 5, 0, 5, "closed"]
    assert (context.stop_reason, context.draining) == ("now", True)


def test_sleeper_is_woken_by_a_neighbour_through_shared_memory(context):
    """The real doorbells: a thread in riskd's place sleeps until the runner has worked."""
    bells = context.doorbells
    riskd = Doorbells.open(context.segment_name("doorbells"), context.epoch)
    announced = riskd.announce(bell_of("riskd"))
    sleeper = threading.Thread(target=riskd.wait, args=(bell_of("riskd"), announced, 50))
    sleeper.start()
    Runner(Scripted(context, [1]), context, Notifier("")).run()
    sleeper.join(timeout=10)
    assert not sleeper.is_alive()
    assert not bells.is_parked(bell_of("riskd"))


class Listener(Agent):
    """Counts what arrives on a ROUTER and stops at ``bound``."""

    name = "persister"

    def __init__(self, context, router, bound):
        self.context, self.router, self.bound, self.count = context, router, bound, 0

    def sockets(self):
        return (self.router.FD,)

    def do_work(self):
        try:
            self.router.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return 0
        self.count += 1
        if self.count == self.bound:
            self.context.request_stop("enough")
        return 1


def test_parked_process_is_woken_by_each_message_on_a_socket(context, tmp_path, monkeypatch):
    """Nothing but the watcher could wake it here: the sleep is bound by a minute, and each message waits for it to sleep."""
    monkeypatch.setattr("runtime.runner.PARK_BOUND_S", 60)
    with zmq.Context() as sockets, sockets.socket(zmq.ROUTER) as router, sockets.socket(zmq.DEALER) as dealer:
        router.bind(f"ipc://{tmp_path}/gateway")
        dealer.connect(f"ipc://{tmp_path}/gateway")
        runner = Runner(Listener(context, router, 30), context, Notifier(""))
        thread = threading.Thread(target=runner.run)
        thread.start()
        for _ in range(30):
            wait_until(lambda: context.doorbells.is_parked(context.bell), what="it parks again")
            dealer.send(b"order")
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_auto_yields_then_parks():
    """And goes on parking: the count is not started again by a timeout."""
    auto = STRATEGIES["auto"]
    times_ns = (1, YIELD_NS, YIELD_NS + 1, 2 * YIELD_NS)
    assert [auto(quiet_ns) for quiet_ns in times_ns] == [False] * 2 + [True] * 2
    assert (STRATEGIES["spin"](10**9), STRATEGIES["yield"](10**9), STRATEGIES["park"](1)) == (False, False, True)


def test_watcher_reports_a_socket_only_while_armed():
    """Armed: at once, also for what was there before. Disarmed: never. Each arming gives one report at most."""
    told = threading.Semaphore(0)
    reading, writing = os.pipe()
    watcher = Watcher(told.release, [reading])
    os.write(writing, b"x")
    assert not told.acquire(timeout=0.05)
    watcher.arm()
    assert told.acquire(timeout=10)
    assert not told.acquire(timeout=0.05)
    watcher.arm()
    assert told.acquire(timeout=10)
    watcher.disarm()
    os.write(writing, b"x")
    assert not told.acquire(timeout=0.05)
    watcher.close()
    os.close(reading)
    os.close(writing)


def test_rings_are_wired_as_the_order_travels(environ):
    """Who writes, who reads, who wakes whom: in one place, for every shard and gateway."""
    settings = load(None, {**environ, "PINION_MATCHERS": "2", "PINION_GATEWAYS": "2"})
    assert streams(settings) == ("orders.0", "orders.1", "commands.0", "commands.1", "events.0", "events.1")
    assert [writer_of(stream) for stream in ("orders.1", "commands.1", "events.1")] == ["gateway.1", "riskd", "matcher.1"]
    assert gating(settings, "orders.0") == ("riskd",)
    assert gating(settings, "commands.1") == ("matcher", "persister")
    assert gating(settings, "events.0") == ("riskd", "persister", "gateway.0", "gateway.1")
    assert neighbours(settings, "gateway.1") == ("matcher.0", "matcher.1", "riskd")
    assert neighbours(settings, "riskd") == ("persister", "matcher.0", "matcher.1", "gateway.0", "gateway.1")
    assert neighbours(settings, "matcher.0") == ("persister", "riskd", "gateway.0", "gateway.1")
    assert neighbours(settings, "persister") == ("matcher.0", "matcher.1", "riskd", "gateway.0", "gateway.1")


def test_neighbours_find_each_others_segments(environ, context):
    """The persister makes the epoch and says how far the journal is; riskd waits for both, then has its rings."""
    settings = context.settings
    riskd, matcher = Context(settings, "riskd"), Context(settings, "matcher.0")
    durable = context.create_durable(0, commands=5, events=9)
    with pytest.raises(EnvironmentFault, match=r"waited 0.1 s in vain for the persister to write /t\d+xr-durable.0"):
        matcher.attach_durable(0)
    durable.advance(STATE, JournalState.WRITING)
    assert riskd.epoch == context.epoch
    assert riskd.attach_durable(0).read(0) == 5
    ring = riskd.create_ring("commands.0", base=5)
    assert ring.readers() == ["matcher", "persister"]
    assert matcher.attach_ring("commands.0").published == 5
    with pytest.raises(EnvironmentFault, match="is not there: its writer has not started") as absent:
        matcher.attach_ring("orders.0")
    assert absent.value.status == FaultStatus.UNAVAILABLE
    matcher.request_stop("SIGTERM")
    with pytest.raises(StopRequested):
        matcher.attach_ring("orders.0")
    for other in (riskd, matcher):
        other.close()


def test_second_writer_of_a_ring_is_a_fault_with_a_status_of_its_own(context):
    """BUSY, not a bug."""
    context.create_ring("events.0")
    with pytest.raises(EnvironmentFault, match="one writer per segment") as busy:
        Context(context.settings, "persister").create_ring("events.0")
    assert busy.value.status == FaultStatus.BUSY


def test_ring_of_another_size_is_a_fault_that_names_both(environ, context):
    """The settings were changed while a neighbour runs with the old ones."""
    context.create_ring("commands.0")
    other = Context(load(None, {**environ, "PINION_RINGS_COMMANDS": "256"}), "persister")
    with pytest.raises(EnvironmentFault, match="does not fit") as mismatch:
        other.attach_ring("commands.0")
    assert mismatch.value.status == FaultStatus.MISMATCH


def test_a_kernel_compiled_in_trading_time_is_told(context):
    """Clients wait meanwhile, for seconds: whoever runs the exchange should know which kernel it was, and that it was one."""
    inner = njit(lambda number: number + 1)
    outer = njit(lambda number: inner(number) + 1)
    vars(context)["logger"] = structlog.get_logger()
    with structlog.testing.capture_logs() as lines:
        _run(context, [0, lambda: outer(1), lambda: outer(1)], RecordedBells())
    told = [line for line in lines if line["event"] == WORDS]
    assert [line["log_level"] for line in told] == ["warning"], lines
    assert "test_a_kernel_compiled_in_trading_time_is_told" in told[0]["kernel"]
