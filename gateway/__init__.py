"""Order entry: client sockets and sessions, the wire protocol, execution reports."""
