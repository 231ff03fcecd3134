"""How long a compiled slice goes on looking, and that it lets Python wake whoever sleeps."""

import itertools
import os
import time

import pytest

from shm.doorbell import Doorbells, bell_of
from shm.patience import NO_MORE, ROUNDS, impatient, next_round, patient, realtime_ns
from shm.segment import unlink

_numbers = itertools.count()


@pytest.fixture
def bells():
    """Doorbells of this test alone."""
    name = f"/pinion-patiencetest-{os.getpid()}-{next(_numbers)}"
    yield Doorbells.open(name, epoch=1)
    unlink(name)


def _rounds(patience, dids):
    """How many rounds are gone before Python is due, when round k does ``dids[k]`` messages, and none after that."""
    left, count, amounts = int(patience["rounds"][0]), 0, iter(dids)
    while left != NO_MORE:
        count += 1
        left = next_round(patience[0], next(amounts, 0), left)
    return count


def test_impatient_slice_ends_at_its_first_empty_round():
    """And goes on as long as there is work."""
    assert _rounds(impatient(), []) == 1
    assert _rounds(impatient(), [5, 1, 1]) == 4


@pytest.mark.parametrize("gives_way", [True, False], ids=["yield", "spin"])
def test_patient_slice_looks_again_a_bounded_number_of_times(bells, gives_way):
    """Work does not make it longer, so that Python's duties come round; work at the bound is finished first."""
    patience = patient(bells, [bell_of("riskd")], gives_way)
    assert _rounds(patience, []) == ROUNDS + 1
    assert _rounds(patience, [1] * 10) == ROUNDS + 1
    assert _rounds(patience, [1] * (ROUNDS + 5)) == ROUNDS + 6


def test_patient_slice_ends_when_it_did_something_and_a_neighbour_sleeps(bells):
    """Only then: a sleeping neighbour for whom there is nothing may sleep, and so may one that is not ours to wake."""
    patience = patient(bells, [bell_of("gateway.0"), bell_of("riskd")], True)
    bells.announce(bell_of("persister"))
    assert _rounds(patience, [0, 0, 1]) == ROUNDS + 1
    bells.announce(bell_of("riskd"))
    assert _rounds(patience, [0, 0, 1]) == 3
    assert _rounds(patience, []) == ROUNDS + 1


def test_clock_in_the_kernel_is_the_clock_of_the_machine():
    """Between two readings of Python's."""
    patience = impatient()
    before = time.time_ns()
    assert before <= realtime_ns(patience[0]) <= time.time_ns()
