"""A process of the ring test: copies every message of one ring into another, and starts again where the other ends."""

import sys

from numba import njit

from bench.ring import MESSAGES
from shm.atomics import pause
from shm.ring import Ring, can_write, publish, published, release
from shm.ring_layout import UNPUBLISHED_BOUND


@njit(cache=True)
def forward(source, target, last):
    """Copy up to and including ``last``. How far it has got is what ``target`` holds: nothing else is remembered."""
    done = published(target)
    source_mask, target_mask = source["slots"].shape[0] - 1, target["slots"].shape[0] - 1
    while done < last:
        head = min(published(source), done + UNPUBLISHED_BOUND)
        if head == done:
            pause()
        while done < head and can_write(target, done + 1):
            done += 1
            words = source["slots"][done & source_mask]["words"]
            copy = target["slots"][done & target_mask]["words"]
            for k in range(words.size):
                copy[k] = words[k]
        publish(target, done)
        release(source, 0, done)


def main(source_name: str, target_name: str, capacity: str, last: str) -> None:
    """Forward until message ``last`` has been copied."""
    source = Ring.attach(source_name, MESSAGES[64], int(capacity))
    target = Ring.create(target_name, MESSAGES[64], int(capacity), epoch=1, gating=("verifier",))
    print("ready", flush=True)
    forward(source.record, target.record, int(last))


if __name__ == "__main__":
    main(*sys.argv[1:])
