"""Limits that are nearly used up, and margins that are, in words for the log."""

from collections.abc import Iterator
from typing import Any, Final

from riskd.layout import WARNINGS
from riskd.margin import TOO_LOW

LIMITS: Final = (
    "messages_per_second",
    "messages_per_minute",
    "maximum_long",
    "maximum_short",
    "maximum_gross",
    "maximum_net",
    "maximum_daily_ordered",
    "maximum_daily_traded",
    "maximum_daily_loss",
    "maximum_open_orders",
    "maximum_repeats",
)
"""By the offsets of ``riskd.limits`` and ``riskd.repeats``."""


def sentences(risk: Any, told: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those noted after the first ``told``, as far as they are still there, each with its numbers."""
    count, header = int(risk["header"]["warnings"]), risk["header"]
    for number in range(max(told, count - WARNINGS), count):
        noted = risk["warnings"][number % WARNINGS]
        used, limit = int(noted["used"]), int(noted["limit"])
        if noted["offset"] == TOO_LOW:
            name = risk["names"][int(noted["row"])].tobytes().rstrip(b"\0").decode()
            yield f"account {name} is below its maintenance margin", {"equity": used, "margin": limit, "account": name}
            continue
        about = {"limit": LIMITS[int(noted["offset"])], "used": used, "of": limit}
        row, bound = int(noted["row"]), int(header["account_bound"])
        if row < bound:
            name = risk["names"][row].tobytes().rstrip(b"\0").decode()
            if about["limit"] == "maximum_repeats":
                yield f"account {name} is latched, for it has repeated an order too often", {**about, "account": name}
                continue
            yield f"account {name} has nearly used up a limit", {**about, "account": name}
        else:
            yield f"{'the firm' if row == bound else f'group {row - bound}'} has nearly used up a limit", about
