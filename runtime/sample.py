"""The sample settings file: every key with its default and what it means. A test holds it against the settings themselves."""

from typing import Final

_ENGINE: Final = """\
# Settings of a Pinion engine. Every key may be left out; the value shown is the default, unless a comment says otherwise.
# A variable PINION_KEY or PINION_SECTION_KEY wins over this file: PINION_DURABILITY=memory, PINION_GATEWAY_TCP=tcp://*:7010.
# `pinion config check FILE` says everything that is wrong with a file, at once.

# Begins the names of the shared memory segments: two engines on one machine need two.
instance = "pinion"

# Journal, database and the folder's id. Relative folders start at this file's own.
# Default: $STATE_DIRECTORY, $XDG_STATE_HOME/INSTANCE or ~/.local/state/INSTANCE.
data = "pinion-data"

# Sockets. Default: "run" in a data folder that is named here, else $RUNTIME_DIRECTORY or $XDG_RUNTIME_DIR/INSTANCE.
run = "pinion-data/run"

# Shards: instrument i (counted from 0, in the order below) is matched by matcher i % matchers. 1 to 16.
matchers = 1

# Order-entry processes. 1 to 8.
gateways = 1

# When a client hears of an outcome: "disk" once its command is synced, "memory" at once (survives the death of every process,
# not of the machine), "none" for benchmarks.
durability = "disk"

# Several databases, over which accounts are spread: ["postgresql+psycopg2://…", …], each as database.url below, which is the
# only one if this list is empty. New ones go to the end. docs/scaling.md says more.
databases = []
"""

_PROCESSES: Final = """
# Each process has idle, cores, scheduler, priority, memory_lock and huge_pages:
#   idle         what to do when there is nothing to do: "spin" (takes a core whole, answers fastest), "yield", "park" (sleeps
#                until woken), "auto" (yields for a millisecond, then parks)
#   cores        processors to be pinned to; matcher k takes the one at k % length. Empty: not pinned
#   scheduler    "other", or "fifo" for real time with a priority from 1 to 99 (needs CAP_SYS_NICE)
#   memory_lock  keep all memory from being swapped out (needs a high LimitMEMLOCK)
#   huge_pages   of matcher and riskd: ask for huge pages under their tables

[gateway]
# Where clients connect. {run} and {gateway} are filled in; "" serves no ipc.
ipc = "ipc://{run}/gateway.{gateway}"
# "" serves no tcp, which is the default. Gateway g listens on the port + g. Nothing on the wire is encrypted.
tcp = "tcp://127.0.0.1:7010"
# Something is sent at least so often; a client silent for three times as long is logged off.
heartbeat_s = 5.0
maximum_sessions = 1024
maximum_frame_bytes = 65536
idle = "auto"
cores = []
scheduler = "other"
priority = 50
memory_lock = false
huge_pages = false

[riskd]
idle = "auto"
cores = []
scheduler = "other"
priority = 50
memory_lock = false
huge_pages = false

[matcher]
idle = "auto"
cores = []
scheduler = "other"
priority = 50
memory_lock = false
huge_pages = false

[persister]
idle = "auto"
cores = []
scheduler = "other"
priority = 50
memory_lock = false
huge_pages = false
"""

_MEMORY: Final = """
# Messages of 128 bytes that each ring holds before its writer waits. Powers of two.
[rings]
orders = 32768
commands = 65536
events = 131072

# Room taken once, at start; what does not fit is refused. Powers of two.
[pools]
# Live orders a shard.
orders = 262144
# Prices with an order at rest, a shard.
levels = 65536
# How many there may ever be.
instruments = 1024
accounts = 1024
"""

_RECORDS: Final = """
[journal]
# Size of a file. A power of two.
segment_bytes = 67108864
# Messages a write, which is followed by one sync.
batch_bound = 4096
# Files below the oldest snapshot kept, once the database has them: "keep", "archive" (move into that folder) or "delete".
# Clients can ask again for what they missed only as far back as the files go.
old_segments = "keep"
archive = "{data}/archive"

[snapshots]
# A start goes on from the newest, so it takes no longer the longer the exchange has run. 0: none on a timer. None is made
# where nothing has happened since the last.
every_s = 300.0
# So many of each process are kept: when the newest is damaged, a start goes on from the one before.
keep = 3
# Make one when the exchange is stopped, too.
at_stop = true

[database]
# sqlite:///{data}/NAME ({data} is filled in), sqlite:////ABSOLUTE/PATH or
# postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE
url = "sqlite:///{data}/pinion.sqlite"
# Events a transaction.
batch_rows = 50000
# Between attempts to reach a database that is down.
retry_s = 1.0
# Old files of the journal stay so long after their rows were committed: a server that crashes may forget its latest commits.
settle_s = 60.0

[log]
# "json" for machines, "console" for people, "auto": by whether stderr is a terminal.
format = "auto"
# "debug", "info", "warning" or "error".
level = "info"

[control]
# How long a process waits at start for its neighbours.
attach_s = 30.0
# How long a stopping process works on, so that what it took in is passed on.
drain_s = 1.5
"""

_MARKET: Final = """
# What is traded. An instrument's number is its place here: put new ones at the end, remove none.
# tick_size and lot_size are the steps of price and quantity, in 10**-price_decimals and 10**-quantity_decimals.
# tick_value is the money that one lot gains a tick, in the currency's smallest unit: tick_size x lot_size if left out.
# Fees are hundredths of a basis point of a trade's money (basis_points) or money a lot (per_lot); below 0 a rebate.
# riskd's collar: an order's price may be so many ticks, and so many basis points, from a reference, which is the "last" trade
# (before the first one collar_price), or collar_price, "given" in 10**-price_decimals. Without one nothing new is taken.
# Margins are basis points of the money of positions and orders, which margin accounts must have.
[[instruments]]
symbol = "ACME"
currency = "USD"
tick_size = 1
lot_size = 1
price_decimals = 2
quantity_decimals = 0
tick_value = 1
fee_basis = "basis_points"
maker_fee = 0
taker_fee = 0
collar_reference = "none"
collar_price = 0
collar_ticks = "unlimited"
collar_basis_points = "unlimited"
initial_margin = 10000
maintenance_margin = 10000

[[instruments]]
symbol = "GEAR"
currency = "USD"
tick_size = 5
lot_size = 10
price_decimals = 2

# Limits, each a number, of which 0 blocks, or "unlimited". docs/risk.md says how each is counted.
# orders at rest or on their way; lots long and short in one instrument, working orders included; money (in the currency's
# smallest unit) of positions and working orders, gross and net; money of a day's (UTC) orders, trades and loss; orders and
# replaces a second and a minute. What is set live (`pinion risk set`) stands until the value here changes.

# Of all accounts together. warn_percent: riskd warns when an order is taken that uses more of any limit.
[firm]
maximum_open_orders = "unlimited"
maximum_long = "unlimited"
maximum_short = "unlimited"
maximum_gross = "unlimited"
maximum_net = "unlimited"
maximum_daily_ordered = "unlimited"
maximum_daily_traded = "unlimited"
maximum_daily_loss = "unlimited"
messages_per_second = "unlimited"
messages_per_minute = "unlimited"
warn_percent = 80

# Of accounts that are controlled together. Up to 255; put new ones at the end, remove none.
[[groups]]
name = "desk"
maximum_open_orders = "unlimited"
maximum_long = "unlimited"
maximum_short = "unlimited"
maximum_gross = "unlimited"
maximum_net = "unlimited"
maximum_daily_ordered = "unlimited"
maximum_daily_traded = "unlimited"
maximum_daily_loss = "unlimited"
messages_per_second = "unlimited"
messages_per_minute = "unlimited"

# Who trades. An account's number is its place here: put new ones at the end, remove none.
# api_key is what its clients log on with. Better: api_key_sha256, from `printf %s KEY | sha256sum`.
# The limits: lots an order, money an order, and those above. What is not given blocks, unless unset_limits is "unlimited".
# minimum_… are of an order, allowed_… what it may be; with rising_ids each client order id must be higher than all before it.
# allowed_instruments is "all", or a list of symbols; allowed_gateways "all", or a list of their numbers. More than
# maximum_repeats orders of the same instrument, side, type, price and quantity within repeat_window_ms latch the account: it
# sends no more until `pinion risk release`.
# With remember_ids a client order id is not taken again while riskd remembers it: 8 to 256 of each account (docs/risk.md).
# group names one of the groups above, or none.
# self_trade_rule is what an order does instead of trading with another of its account, or of an account of the same
# self_trade_group above 0: "none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement"; an order may say otherwise.
# track_position lets the account send reduce-only orders.
# With funding = "cash" its orders hold what they may cost, fees included, and it sells what it has, unless short_selling. It is
# given funds, money in the smallest unit, and lots at the first start, and later what was added here; nothing is taken away.
# With funding = "margin" it must have the margins of its positions and orders.
[[accounts]]
name = "alice"
api_key = "change-me-alice"
unset_limits = "block"
maximum_quantity = 1000000
maximum_notional = 1000000000000000
maximum_open_orders = 10000
maximum_long = "unlimited"
maximum_short = "unlimited"
maximum_gross = "unlimited"
maximum_net = "unlimited"
maximum_daily_ordered = "unlimited"
maximum_daily_traded = "unlimited"
maximum_daily_loss = "unlimited"
messages_per_second = "unlimited"
messages_per_minute = "unlimited"
minimum_quantity = 0
minimum_notional = 0
allowed_sides = ["buy", "sell"]
allowed_types = [
    "limit", "market", "market_to_limit", "stop", "stop_limit", "trailing_stop", "trailing_stop_limit", "pegged_bid",
    "pegged_ask", "pegged_middle",
]
allowed_times = ["gtc", "ioc", "day", "gtd", "fok", "at_open", "at_close"]
allowed_instruments = "all"
allowed_gateways = "all"
maximum_repeats = "unlimited"
repeat_window_ms = 1000
rising_ids = false
remember_ids = false
group = "desk"
self_trade_rule = "none"
self_trade_group = 0
track_position = false
funding = "none"
funds = {}
lots = {}
short_selling = false

[[accounts]]
name = "bob"
# "change-me-bob"
api_key_sha256 = "cd2e1003308cc938d0bfe7ded6de48824c25c795903b7e32c08b4a285d50136b"
unset_limits = "unlimited"

# Who reads all that happens to the orders of some accounts, for surveillance, and enters nothing. Its name is no account's.
# accounts: "all", also those that come later, or a list of their names.
[[drop_copies]]
name = "surveillance"
api_key = "change-me-surveillance"
accounts = "all"
"""


def sample() -> str:
    """A settings file with everything in it, two instruments, two accounts, a drop copy: what `pinion config sample` prints."""
    return "".join((_ENGINE, _PROCESSES, _MEMORY, _RECORDS, _MARKET))
