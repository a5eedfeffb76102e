"""Samples from a model, their grades, and the metrics of a benchmark."""
