"""An order book as a client can build it: from the execution reports of every order in it, and nothing else.

It is the slow, obvious twin of the matcher's book, and knows nothing of its code: a replay compares both with the published
truth. Prices and quantities are whatever the reports carry; the book only compares and adds them.
"""

from bisect import bisect_left, insort

from shm.records import EventKind, Side


class HalfBook:
    """One side: the quantity at each price, and the prices from best to worst."""

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side == Side.BUY else 1
        self._keys: list[int] = []
        self._quantity: dict[int, int] = {}

    def add(self, price: int, quantity: int) -> None:
        """``quantity`` more at ``price``; less where it is negative. A level that comes to nothing is gone."""
        key = self._sign * price
        before = self._quantity.get(key, 0)
        after = before + quantity
        assert after >= 0, f"{-quantity} taken from the {before} at {price}"
        if before == 0 and after > 0:
            insort(self._keys, key)
        if after > 0:
            self._quantity[key] = after
        elif before > 0:
            del self._quantity[key], self._keys[bisect_left(self._keys, key)]

    def best(self, depth: int) -> tuple[list[int], list[int]]:
        """Prices and quantities of the ``depth`` best levels, best first."""
        keys = self._keys[:depth]
        return [self._sign * key for key in keys], [self._quantity[key] for key in keys]


class ClientBook:
    """The resting orders of one instrument. Every order's every report must be applied, in order."""

    def __init__(self) -> None:
        self.sides = (HalfBook(Side.BUY), HalfBook(Side.SELL))
        self.orders: dict[int, list[int]] = {}
        """Order id -> [side, price, leaves] of each resting order."""

    def apply(self, kind: int, order_id: int, side: int, price: int, leaves: int, rests: bool) -> None:
        """Take in one report. ``side``, ``price`` and ``leaves`` are the order's own; ``rests``: may it rest in the book?"""
        if kind in (EventKind.ACCEPTED, EventKind.TRIGGERED) and rests:
            self._enter(order_id, side, price, leaves)
        elif kind == EventKind.TRADE:
            self._leave(order_id, leaves)
        elif kind == EventKind.CANCELLED:
            self._leave(order_id, 0)
        elif kind in (EventKind.REPLACED, EventKind.RESTATED):
            self._leave(order_id, 0)
            if price:  # without one the order waits, away from the book
                self._enter(order_id, side, price, leaves)

    def levels(self, side: int, depth: int) -> tuple[list[int], list[int]]:
        """Prices and quantities of the ``depth`` best levels of a side, best first."""
        return self.sides[side].best(depth)

    def _enter(self, order_id: int, side: int, price: int, leaves: int) -> None:
        if leaves > 0:
            self.orders[order_id] = [side, price, leaves]
            self.sides[side].add(price, leaves)

    def _leave(self, order_id: int, leaves: int) -> None:
        order = self.orders.get(order_id)
        if order is None:
            return
        self.sides[order[0]].add(order[1], leaves - order[2])
        order[2] = leaves
        if leaves == 0:
            del self.orders[order_id]
