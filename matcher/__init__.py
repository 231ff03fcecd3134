"""The matching engine: the books of a shard, a pure function from commands to events."""
