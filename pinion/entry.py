"""From what a trader says to messages in the outbox: shared by the blocking and the asyncio client."""

import time

from pinion.codec import Records, blank
from pinion.errors import UnknownSymbol
from pinion.instrument import Instrument, Number
from pinion.protocol import ALL_INSTRUMENTS, SERVER_KINDS_FROM, Kind, Side, TimeInForce
from pinion.session import Session
from pinion.terms import (
    Fields,
    OrderTerms,
    StopTerms,
    extended_fields,
    mass_cancel_fields,
    member,
    stop_fields,
    time_in_force_of,
    type_of,
)

NO_TERMS = OrderTerms()


class OrderEntry:
    """Numbers and packs orders. Ids count up from the time of the start in nanoseconds, so that no two runs share one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next_id = time.time_ns()

    def new_order(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        price: Number | None,
        time_in_force: TimeInForce | str | None,
        client_order_id: int | None,
        terms: OrderTerms = NO_TERMS,
    ) -> int:
        """Puts a NEW_ORDER into the outbox; its client order id. What it is without terms: see ``Client.submit``."""
        instrument = self.instrument(symbol)
        fields = extended_fields(instrument, terms) if terms else Fields()
        order = blank(Kind.NEW_ORDER, extended=bool(fields))
        identity = self._take_id() if client_order_id is None else client_order_id
        order["client_order_id"] = order["request_id"] = identity
        order["instrument"] = instrument.instrument
        order["side"] = member(Side, side)
        order["quantity"] = instrument.quantity_to_wire(quantity)
        order["price"] = 0 if price is None else instrument.price_to_wire(price)
        type_ = type_of(price, terms)
        order["type"] = type_
        order["time_in_force"] = time_in_force_of(type_, time_in_force, terms)
        for name, value in fields.items():
            order[name] = value
        self._session.outbox.put_records(order)
        return identity

    def cancel(self, client_order_id: int) -> int:
        """Puts a CANCEL into the outbox; its request id."""
        message = blank(Kind.CANCEL)
        message["client_order_id"] = client_order_id
        return self._put_request(message)

    def replace(
        self, symbol: str, client_order_id: int, quantity: Number, price: Number | None, terms: StopTerms | None = None
    ) -> int:
        """Puts a REPLACE into the outbox; its request id. ``quantity`` is the new total, what is executed included."""
        instrument = self.instrument(symbol)
        fields = stop_fields(instrument, terms) if terms else Fields()
        message = blank(Kind.REPLACE, extended=bool(fields))
        message["client_order_id"] = client_order_id
        message["price"] = 0 if price is None else instrument.price_to_wire(price)
        message["quantity"] = instrument.quantity_to_wire(quantity)
        for name, value in fields.items():
            message[name] = value
        return self._put_request(message)

    def reduce(self, symbol: str, client_order_id: int, quantity: Number) -> int:
        """Puts a REDUCE into the outbox; its request id. ``quantity`` is what is to be taken off."""
        message = blank(Kind.REDUCE)
        message["client_order_id"] = client_order_id
        message["quantity"] = self.instrument(symbol).quantity_to_wire(quantity)
        return self._put_request(message)

    def mass_cancel(
        self,
        symbol: str | None,
        side: Side | str | None = None,
        this_session: bool = False,
        lowest_price: Number | None = None,
        highest_price: Number | None = None,
    ) -> int:
        """Puts a MASS_CANCEL into the outbox, for one instrument or all, narrowed down by what is given; its request id."""
        instrument = None if symbol is None else self.instrument(symbol)
        fields = mass_cancel_fields(instrument, side, this_session, lowest_price, highest_price)
        message = blank(Kind.MASS_CANCEL, extended=bool(fields))
        message["instrument"] = ALL_INSTRUMENTS if instrument is None else instrument.instrument
        for name, value in fields.items():
            message[name] = value
        return self._put_request(message)

    def put(self, records: Records) -> None:
        """Puts messages that the caller has packed (``codec.blank``) into the outbox, in wire units, unchecked."""
        assert len(records) == 0 or records["kind"][0] < SERVER_KINDS_FROM, "a client does not send these"
        self._session.outbox.put_records(records)

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of that symbol, or UnknownSymbol."""
        instruments = self._session.instruments
        if symbol not in instruments:
            raise UnknownSymbol(symbol, list(instruments))
        return instruments[symbol]

    def _put_request(self, message: Records) -> int:
        request_id = self._take_id()
        message["request_id"] = request_id
        self._session.outbox.put_records(message)
        return request_id

    def _take_id(self) -> int:
        identity, self._next_id = self._next_id, self._next_id + 1
        return identity
