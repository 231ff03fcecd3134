"""The books of record: the journal, and the database that follows it."""
