"""Intervals and comparisons for samples that come in groups."""
