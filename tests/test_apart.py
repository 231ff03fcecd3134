"""Functions that stand apart are called by the address in a state, and behave as if they were called by name."""

import numpy as np
import pytest
from numba import int64, njit

from shm.apart import Apart

STATE = np.dtype([("sum", "<i8"), ("apart", "<i8", (2,))])
STEP = np.dtype([("by", "<i8")])
apart = Apart(STATE, STEP)


@apart(1, 2, int64)
def add(state, step, times, share):
    """``times`` steps more; the sum's part of ``share``."""
    state["sum"] += step["by"] * times
    return int(state["sum"]) // int(share)


@njit
def add_up(state, step, count):
    """What ``add`` returns for 0, 1, 2 … times, in all; the share shrinks with the count."""
    total = 0
    for times in range(count):
        total += add(state, step, times, np.uint32(count - 4))
    return total


@pytest.fixture
def state():
    """A state that knows where its functions are."""
    made = np.zeros(1, STATE)[0]
    apart.wire(made)
    return made


def test_a_function_apart_is_called_with_its_arguments_and_answers(state):
    step = np.ones(1, STEP)[0]
    assert add_up(state, step, 10) == sum(sum(range(k + 1)) // 6 for k in range(10))
    assert state["sum"] == 45


def test_what_it_raises_reaches_the_caller(state):
    with pytest.raises(ZeroDivisionError):
        add_up(state, np.ones(1, STEP)[0], 4)


def test_a_place_has_one_function_and_must_exist():
    for place in (1, 2, -1):
        with pytest.raises(AssertionError, match="another function's"):
            apart(place, 0, int64)(lambda state, step: 0)
