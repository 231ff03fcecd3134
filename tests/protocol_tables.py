"""The tables of docs/protocol.md, made from the dtypes: ``python tests/protocol_tables.py`` rewrites them in place."""

import re
from pathlib import Path

import numpy as np

from pinion.codec import encode
from pinion.protocol import EXTENDED, LAYOUTS, Kind
from pinion.reasons import Reason

DOCUMENT = Path(__file__).parent.parent / "docs" / "protocol.md"
TOKEN = 0x1A2B3C4D
FORMS = {kind.name: layout for kind, layout in LAYOUTS.items()}
FORMS |= {f"{kind.name}_EXTENDED": layout for kind, layout in EXTENDED.items()}
"""Every form of every message, by the name under which the document and the byte map have it."""

EXAMPLES = {
    "LOGON": (0, {"account": b"alice", "api_key": b"alice's key", "heartbeat_ms": 5000, "flags": 0}),
    "HEARTBEAT": (TOKEN, {"time_ns": 1_700_000_000_000_000_000}),
    "NEW_ORDER": (
        TOKEN,
        {
            "client_order_id": 7,
            "request_id": 7,
            "price": 58533,
            "quantity": 100,
            "instrument": 0,
            "side": 0,
            "type": 1,
            "time_in_force": 1,
        },
    ),
    "NEW_ORDER_EXTENDED": (
        TOKEN,
        {
            "client_order_id": 12,
            "request_id": 12,
            "price": 58500,
            "quantity": 1000,
            "instrument": 0,
            "side": 1,
            "type": 5,
            "time_in_force": 4,
            "self_trade_rule": 2,
            "stop_price": 58510,
            "display_quantity": 100,
            "expiry_ns": 1_700_000_600_000_000_000,
            "linked_client_order_id": 7,
            "self_trade_group": 3,
            "flags": 1,
        },
    ),
    "CANCEL": (TOKEN, {"client_order_id": 7, "request_id": 8}),
    "REPLACE": (TOKEN, {"client_order_id": 7, "request_id": 9, "price": 58534, "quantity": 200}),
    "REPLACE_EXTENDED": (
        TOKEN,
        {"client_order_id": 12, "request_id": 13, "price": 58490, "quantity": 1000, "stop_price": 58500},
    ),
    "MASS_CANCEL": (TOKEN, {"request_id": 10, "instrument": -1}),
    "MASS_CANCEL_EXTENDED": (
        TOKEN,
        {"request_id": 14, "instrument": 0, "flags": 6, "side": 1, "lowest_price": 58500, "highest_price": 58600},
    ),
    "REDUCE": (TOKEN, {"client_order_id": 7, "request_id": 15, "quantity": 50}),
    "RESEND_REQUEST": (TOKEN, {"request_id": 11, "after_sequence": 41, "shard": 0}),
    "REJECT": (
        0,
        {"request_id": 7, "reason": 1004, "message": 16, "offset": 0, "text": b"says 72 bytes; it takes 64 or 104"},
    ),
    "EXECUTION_REPORT": (
        0,
        {
            "event_sequence": 42,
            "command_sequence": 17,
            "time_ns": 1_700_000_000_000_000_000,
            "order_id": 17 << 24,
            "client_order_id": 7,
            "request_id": 7,
            "price": 58533,
            "quantity": 40,
            "leaves": 60,
            "account": 0,
            "instrument": 0,
            "session": 1,
            "shard": 0,
            "report": 3,
            "side": 0,
            "type": 1,
            "time_in_force": 1,
            "liquidity": 2,
            "last": 1,
        },
    ),
}
"""What the document's hex examples say: token and fields."""


def type_of(dtype: np.dtype) -> str:
    """``i8``, ``u2``, ``S16``; ``u8[2]`` for an array."""
    base, shape = dtype.base, dtype.shape
    name = base.str.lstrip("<|")
    return f"{name}[{shape[0]}]" if shape else name


def kind_of(name: str) -> Kind:
    """The kind of a form."""
    return Kind[name.removesuffix("_EXTENDED")]


def fields_of(form: str) -> list[tuple[int, str, str]]:
    """(offset, type, name) of every field behind the header."""
    layout = FORMS[form]
    found = [(layout.fields[name][1], type_of(layout.fields[name][0]), name) for name in layout.names[4:]]
    return [(at, "u1[1]" if kind_ == "u1[1]" else kind_, name) for at, kind_, name in found]


def table(form: str) -> str:
    """The byte map of one form as Markdown."""
    rows = [f"| {at} | {type_} | `{name}` |" for at, type_, name in fields_of(form)]
    return "\n".join(["| byte | type | field |", "| ---: | --- | --- |", *rows])


def example(name: str) -> str:
    """The hex of one example, sixteen bytes a line."""
    token, fields = EXAMPLES[name]
    data = encode(kind_of(name), token, **fields)
    return "\n".join(data[at : at + 16].hex(" ") for at in range(0, len(data), 16))


def reasons() -> str:
    """All reason codes as Markdown."""
    return "\n".join(["| code | reason |", "| ---: | --- |", *(f"| {int(r)} | {r.name} |" for r in Reason)])


def filled_in(text: str) -> str:
    """The document with every table and example made anew."""
    text = re.sub(r"(<!-- reasons -->\n\n).*?(\n\n<!-- end -->)", lambda m: m[1] + reasons() + m[2], text, flags=re.DOTALL)
    text = re.sub(
        r"(<!-- bytes (\w+) -->\n\n).*?(\n\n<!-- end -->)", lambda m: m[1] + table(m[2]) + m[3], text, flags=re.DOTALL
    )
    return re.sub(r"(```hex (\w+)\n).*?(\n```)", lambda m: m[1] + example(m[2]) + m[3], text, flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(filled_in(DOCUMENT.read_text()))
