"""From what a trader says to messages in the outbox: shared by the blocking and the asyncio client."""

import time

from pinion.codec import Records, blank
from pinion.errors import UnknownSymbol
from pinion.instrument import Instrument, Number
from pinion.protocol import ALL_INSTRUMENTS, SERVER_KINDS_FROM, Kind, OrderType, Side, TimeInForce
from pinion.session import Session


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
    ) -> int:
        """Puts a NEW_ORDER into the outbox; its client order id. Without a price it is a market order, and then IOC."""
        instrument = self.instrument(symbol)
        order = blank(Kind.NEW_ORDER)
        identity = self._take_id() if client_order_id is None else client_order_id
        order["client_order_id"] = order["request_id"] = identity
        order["instrument"] = instrument.instrument
        order["side"] = _member(Side, side)
        order["quantity"] = instrument.quantity_to_wire(quantity)
        order["price"] = 0 if price is None else instrument.price_to_wire(price)
        order["type"] = OrderType.MARKET if price is None else OrderType.LIMIT
        default = TimeInForce.IOC if price is None else TimeInForce.GTC
        order["time_in_force"] = default if time_in_force is None else _member(TimeInForce, time_in_force)
        self._session.outbox.put_records(order)
        return identity

    def cancel(self, client_order_id: int) -> int:
        """Puts a CANCEL into the outbox; its request id."""
        message = blank(Kind.CANCEL)
        message["client_order_id"] = client_order_id
        return self._put_request(message)

    def replace(self, symbol: str, client_order_id: int, quantity: Number, price: Number) -> int:
        """Puts a REPLACE into the outbox; its request id. ``quantity`` is the new total, what is executed included."""
        instrument = self.instrument(symbol)
        message = blank(Kind.REPLACE)
        message["client_order_id"] = client_order_id
        message["price"] = instrument.price_to_wire(price)
        message["quantity"] = instrument.quantity_to_wire(quantity)
        return self._put_request(message)

    def mass_cancel(self, symbol: str | None) -> int:
        """Puts a MASS_CANCEL into the outbox, for one instrument or all; its request id."""
        message = blank(Kind.MASS_CANCEL)
        message["instrument"] = ALL_INSTRUMENTS if symbol is None else self.instrument(symbol).instrument
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


def _member(enum: type[Side] | type[TimeInForce], word: Side | TimeInForce | str) -> int:
    """``"buy"`` or ``Side.BUY`` alike. Raises ValueError naming what there is."""
    if isinstance(word, enum):
        return int(word)
    if isinstance(word, str) and word.upper() in enum.__members__:
        return int(enum[word.upper()])
    raise ValueError(f"{word!r} is no {enum.__name__}; there are: {', '.join(enum.__members__).lower()}")
