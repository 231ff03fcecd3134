"""Pre-trade risk: accounts, limits, holds, positions, and THE order of commands."""
