"""The kernels of riskd, gateway and persister by pytest-benchmark; what they made is checked afterwards."""

import numpy as np

import riskd_rig as rig
from gateway.inbound import DONE, _read_frame
from gateway.layout import new_state, state_dtype
from gateway.table import open_session
from persister.kernels import take_commands
from pinion.codec import blank
from pinion.protocol import NEW_ORDER, Kind
from shm.journal_kernels import seal
from shm.journal_layout import BATCH_HEADER, WORDS_PER_LINE, WORDS_PER_RECORD
from shm.records import COMMAND
from shm.ring import Ring, publish

MESSAGES, ROUNDS = 500, 5


def test_speed_of_riskd(benchmark):
    """500 orders checked, held, numbered and passed on; each round on a riskd that is new, since an order is sent once."""
    made = []

    def fresh() -> None:
        made.append(rig.Rig([(100, 10_000, MESSAGES)], [(1, 1, 1)], shards=1, gateways=1, slots=512))
        made[-1].send(*(rig.new(0, number + 1, 10, 1) for number in range(MESSAGES)))

    assert benchmark.pedantic(lambda: made[-1].run(), setup=fresh, rounds=ROUNDS, warmup_rounds=1) == MESSAGES
    commands = np.array(made[-1].written(0))
    assert commands["sequence"].tolist() == list(range(1, MESSAGES + 1))
    assert not commands["verdict"].any()


def test_speed_of_decoding_a_frame(benchmark):
    """A frame of 500 orders from its bytes to the ring, the session's account written into each."""
    state = new_state(state_dtype(8, 8, 8, 1, 64, MESSAGES * NEW_ORDER.itemsize), 1)[0]
    orders = Ring.private(COMMAND, 1024)
    state["session"] = place = open_session(state, b"alice", 3, 1, behind=False)
    messages = blank(Kind.NEW_ORDER, MESSAGES)
    messages["token"], messages["client_order_id"] = state["sessions"][place]["token"], np.arange(MESSAGES)
    state["frame"][:] = np.frombuffer(messages.tobytes(), np.uint8)

    def decode() -> int:
        state["offset"], state["frame_bytes"] = 0, messages.nbytes
        return int(_read_frame(state, orders.record))

    assert benchmark(decode) == DONE
    last = np.arange(state["sequence"] - MESSAGES + 1, state["sequence"] + 1)
    written = orders.record["slots"][last & (orders.capacity - 1)]
    assert written["client_order_id"].tolist() == list(range(MESSAGES))
    assert np.all(written["account"] == 3)


def test_speed_of_making_a_batch(benchmark):
    """500 commands out of their ring and under one checksum, which is another when a single bit is."""
    ring = Ring.private(COMMAND, 1024)
    commands = np.zeros(MESSAGES, COMMAND)
    commands["sequence"] = np.arange(1, MESSAGES + 1)
    ring.record["slots"][commands["sequence"]] = commands
    publish(ring.record, MESSAGES)
    slots, words = ring.record["slots"].view(np.uint64), np.zeros(WORDS_PER_LINE + MESSAGES * WORDS_PER_RECORD, np.uint64)
    headers = words[:WORDS_PER_LINE].view(BATCH_HEADER)

    def batch() -> int:
        assert take_commands(ring.array, slots, 0, MESSAGES, words) == MESSAGES
        return int(seal(headers, words, MESSAGES, 1, 0, 0))

    checksum = benchmark(batch)
    assert headers[0]["checksum"] == checksum
    assert words[WORDS_PER_LINE:].view(COMMAND)["sequence"].tolist() == list(range(1, MESSAGES + 1))
    slots[WORDS_PER_RECORD + 3] ^= 1
    assert batch() != checksum
