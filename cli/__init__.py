"""The `pinion` command."""
