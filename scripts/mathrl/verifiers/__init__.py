"""Verifiers: each scores every reasoning step of a response; step labels, ensembles, and how good a verifier is."""
