"""Everything two processes share: record layouts, rings, counters, the journal's format. No policy."""
