"""A matcher's memory: one layout for all bounds, snapshots of what is in use, and bounds that settings cannot exceed."""

import dataclasses

import numpy as np
import pytest

from matcher.commands import definitions, new
from matcher.engine import Engine
from matcher.layout import LARGEST, POOLS, Bounds
from matcher.state import clear, empty_state, from_bytes, to_bytes, used
from runtime.sections import PoolSettings
from shm.records import Side

SMALL = Bounds(2, 2, 16, 16)


def test_the_settings_allow_no_pool_that_a_matcher_cannot_hold():
    """Numba reckons offsets in 32 bits, so a matcher's pools have a largest size."""
    allowed = {
        field.name: field.metadata["rule"].high for field in dataclasses.fields(PoolSettings) if field.name in LARGEST._fields
    }
    assert allowed == LARGEST._asdict()


@pytest.mark.parametrize("wrong", [{"orders": 0}, {"levels": LARGEST.levels + 1}, {"instruments": -1}])
def test_bounds_that_cannot_be_are_named(wrong):
    name, count = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} must be 1 to .*, not {count:,}"):
        empty_state(SMALL._replace(**wrong))


def test_a_snapshot_holds_what_is_in_use_and_nothing_else():
    """Two engines of the same history have the same bytes; one made from them goes on alike."""
    first, second = Engine(*SMALL), Engine(*SMALL)
    for engine in (first, second):
        engine.run(np.concatenate([definitions(2, 2), new(0, 1, Side.BUY, 10, 5), new(1, 2, Side.SELL, 12, 5)]))
    taken = first.snapshot()
    assert taken == second.snapshot()
    assert len(taken) < 100_000
    restored = Engine.restore(taken)
    order = new(0, 3, Side.BUY, 12, 7)
    assert restored.run(order).tobytes() == first.run(order).tobytes()
    assert restored.snapshot() == first.snapshot()


def test_a_snapshot_of_other_bounds_is_refused():
    """The size says so; nothing is half taken over."""
    state = empty_state(SMALL)
    with pytest.raises(ValueError, match="size"):
        from_bytes(to_bytes(empty_state(SMALL._replace(orders=32)), SMALL._replace(orders=32))[:-4096], state)


def test_a_state_made_empty_again_is_an_empty_one():
    """For benchmarks, which run the same flow again and again in memory that was touched."""
    engine = Engine(*SMALL)
    engine.run(np.concatenate([definitions(2, 2), new(0, 1, Side.BUY, 10, 5)]))
    clear(engine.state, SMALL)
    for name in ("instruments", "orders", "levels", "blocks", "accounts"):
        assert not engine.state[name].view(np.uint8)[: 16 * POOLS[name].itemsize].any(), name
    assert sum(part.nbytes for part in used(engine.state, SMALL)) < 100_000
