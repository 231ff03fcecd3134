"""Benchmarks: one harness, and what it measures."""
