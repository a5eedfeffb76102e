"""Checks of a machine, of speed and of accuracy, for people and for tests."""
