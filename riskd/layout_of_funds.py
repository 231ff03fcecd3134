"""The records of what cash and margin accounts have, as they lie in riskd's state (``riskd.layout``). Layout only."""

from typing import Final

import numpy as np

FUNDS: Final = np.dtype(
    [
        ("key", "<i8"),
        ("total", "<i8"),
        ("held", "<i8"),
        ("given", "<i8"),
        ("fees", "<i8"),
        ("pad", "u1", (24,)),
    ]
)
"""``key`` as of a position, with an asset for its instrument; the venue's account is the firm's row. ``total``: money, or lots
that were put in; ``held``: money of it that working orders may cost; ``given``: what the settings put in; ``fees``: paid."""

MARGINS: Final = np.dtype(
    [
        ("initial", "<i8"),
        ("maintenance", "<i8"),
        ("mark", "<i8"),
        ("chosen_initial", "<i8"),
        ("chosen_maintenance", "<i8"),
        ("chosen_mark", "<i8"),
        ("pad", "u1", (16,)),
    ]
)
"""Basis points; ticks, 0 where the last trade's price is the mark. ``chosen_*``: what the settings said last."""

CURRENCY: Final = np.dtype([("name", "S8")])

assert (FUNDS.itemsize, MARGINS.itemsize, CURRENCY.itemsize) == (64, 64, 8)
