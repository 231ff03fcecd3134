"""The wire protocol: byte maps, document, packing and unpacking, and that it means what the engine means."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pinion.protocol as protocol
import pinion.reasons
from pinion.codec import ProtocolError, blank, decode, encode
from pinion.protocol import EXTENDED, FORMS, LAYOUTS, Kind
from protocol_tables import DOCUMENT, EXAMPLES, TOKEN, fields_of, filled_in, kind_of
from protocol_tables import FORMS as NAMED_FORMS
from shm import reasons, records

KINDS = list(Kind)


def test_reasons_are_the_engines() -> None:
    """A client's copy has the same names and numbers."""
    assert {r.name: int(r) for r in pinion.reasons.Reason} == {r.name: int(r) for r in reasons.Reason}
    assert pinion.reasons.name_of(2012) == reasons.name_of(2012)
    assert pinion.reasons.name_of(9999) == "unknown_9999"


@pytest.mark.parametrize("name", ["Side", "OrderType", "TimeInForce", "OrderFlag", "MassCancelFlag", "SelfTradeRule"])
def test_words_are_the_engines(name: str) -> None:
    """What a client sends means the same to riskd and matcher."""
    ours, theirs = getattr(protocol, name), getattr(records, name)
    assert {m.name: int(m) for m in ours} == {m.name: int(m) for m in theirs}


def test_reports_are_the_engines_events() -> None:
    """A report's kind is its event's."""
    for kind in set(protocol.ReportKind) - {protocol.ReportKind.DONE}:
        assert records.EventKind[kind.name] == kind
    assert protocol.ReportKind.DONE not in list(records.EventKind), "the gateway's own"
    assert protocol.ALL_INSTRUMENTS == records.NO_INSTRUMENT
    assert protocol.SHARD_BOUND == records.SHARD_BOUND


@pytest.mark.parametrize("form", NAMED_FORMS)
def test_the_drawn_byte_map_is_the_layout(form: str) -> None:
    """The module's docstring says where each byte lies."""
    drawn = re.search(rf"^    {form} +(\d+)    (.*?)(?=^    [A-Z]|^$)", protocol.__doc__, re.MULTILINE | re.DOTALL)
    assert int(drawn[1]) == NAMED_FORMS[form].itemsize
    words = re.sub(r"\(both ways\)", "", drawn[2]).split()
    fields, at = [], 0
    while at < len(words):
        fields.append((int(words[at]), words[at + 2], words[at + 1]))
        at += 3
    wanted = [(offset, re.sub(r"u1\[(\d+)\]", r"\1", type_), name) for offset, type_, name in fields_of(form)]
    assert fields == wanted


def test_the_document_is_the_layouts() -> None:
    """Every table and hex example; `python tests/protocol_tables.py` rewrites them."""
    text = DOCUMENT.read_text()
    assert filled_in(text) == text
    for kind in Kind:
        assert f"### {kind.name} ({int(kind)}), {' or '.join(map(str, FORMS[kind]))} bytes" in text
    for form in NAMED_FORMS:
        assert f"<!-- bytes {form} -->" in text
    for kind in EXTENDED:
        assert f"```hex {kind.name}_EXTENDED\n" in text
    for reason in reasons.Reason:
        assert f"| {int(reason)} | {reason.name} |" in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documents_hex_decodes_and_encodes(name: str) -> None:
    """What the page shows is what the code reads, and writes."""
    shown = re.search(rf"```hex {name}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    data = bytes.fromhex(shown[1])
    ((kind, (record,)),) = decode(data)
    token, fields = EXAMPLES[name]
    assert kind is kind_of(name)
    assert record.dtype == NAMED_FORMS[name]
    assert record["token"] == token
    assert token in (0, TOKEN)
    assert {field: record[field] for field in fields} == fields
    assert encode(kind, token, **fields) == data


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(list(NAMED_FORMS)), max_size=12), st.integers(0, 2**32 - 1))
def test_frames_come_apart_as_they_were_put_together(forms: list[str], token: int) -> None:
    """Any kinds and forms in any order; neighbours of one form come as one array."""
    frame = b"".join(blank(kind_of(form), 1, token, extended=form.endswith("_EXTENDED")).tobytes() for form in forms)
    found = list(decode(frame))
    assert [(kind, array.dtype) for kind, array in found for _ in array] == [(kind_of(f), NAMED_FORMS[f]) for f in forms]
    assert b"".join(array.tobytes() for _, array in found) == frame
    assert all((one, a.dtype) != (two, b.dtype) for (one, a), (two, b) in itertools.pairwise(found))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(frame: bytes) -> None:
    """Never another exception; the offset is within the frame."""
    offset = len(frame)
    try:
        offset -= sum(array.nbytes for _, array in decode(frame))
    except ProtocolError as error:
        offset -= error.offset
        assert offset > 0
    else:
        assert offset == 0


@pytest.mark.parametrize(
    ("frame", "reason", "offset"),
    [
        (b"\x01", 1001, 0),
        (encode(Kind.CANCEL) + encode(Kind.CANCEL)[:20], 1001, 24),
        (encode(Kind.CANCEL)[:3] + b"\x07" + encode(Kind.CANCEL)[4:], 1002, 0),
        (encode(Kind.CANCEL)[:2] + b"\x32" + encode(Kind.CANCEL)[3:], 1003, 0),
        (b"\x20" + encode(Kind.CANCEL)[1:], 1004, 0),
        (b"\x48" + encode(Kind.NEW_ORDER)[1:] + bytes(8), 1004, 0),
        (encode(Kind.NEW_ORDER, step=1)[:96], 1001, 0),
    ],
)
def test_bad_frames(frame: bytes, reason: int, offset: int) -> None:
    """What is wrong and where; what came before has been given."""
    with pytest.raises(ProtocolError) as caught:
        list(decode(frame))
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


@pytest.mark.parametrize("kind", EXTENDED, ids=lambda kind: kind.name)
def test_a_longer_form_is_taken_when_a_field_asks_for_it(kind: Kind) -> None:
    """And begins with the fields of the plain one, up to what was padding or reserved there."""
    plain, longer = LAYOUTS[kind].fields, EXTENDED[kind].fields
    for name in set(plain) - {"pad", "reserved"}:
        assert longer[name] == plain[name]
    for name in set(longer) - {"length", "kind", "version", "token", "pad"}:
        message = encode(kind, 9, **{name: 1})
        assert len(message) == (LAYOUTS[kind] if name in plain else EXTENDED[kind]).itemsize
    with pytest.raises(ValueError, match="no field of name"):
        encode(kind, 9, colour=1)


def test_text_that_does_not_fit_is_refused() -> None:
    """Rather than cut off: another account's name may be what is left."""
    with pytest.raises(ValueError, match="account is longer than 16 bytes"):
        encode(Kind.LOGON, account=b"x" * 17)


def test_blank_messages_are_all_header() -> None:
    """Everything else is 0."""
    records_ = blank(Kind.NEW_ORDER, 3, 9)
    assert set(records_["length"]) == {64}
    assert set(records_["token"]) == {9}
    body = np.frombuffer(records_.tobytes(), np.uint8).reshape(3, 64)[:, 8:]
    assert not body.any()
